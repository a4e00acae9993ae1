//! Texts picked by hand. One a line, they would be a very long file.

/// Words as YAML could take them.
#[rustfmt::skip]
pub const WORDS: &str = "y Y yes Yes YES yEs n N no No NO on On ON off Off OFF true True TRUE tRUE false False FALSE null Null NULL nULL \
    ~ 0 1 -1 +1 -0 007 08 09 0x1F 0X1f -0x10 0b101 0B11 -0b11 0o17 0O17 017 -017 1_000 _1 1_ 1__0 0_7 +-1 0x 0b2 \
    0b-1 0b+1 -0b-1 0b- 0o-7 0x-1 0o8 0x_f 1.0 1.5 -1.5 100000.0 1000000.0 123456789.5 1e5 1e6 1e20 1e21 0.0001 \
    0.00001 .5 -.5 +.5 5. 1e3 1E3 1e+3 1e-3 1.e2 1.5e300 1e400 -1e400 .e1 . .. 1.2.3 0.1 1_0.5 -0.0 \
    9007199254740991 9007199254740992 9007199254740993 -9007199254740993 12345678901234567890 18446744073709551615 \
    18446744073709551616 99999999999999999999 +18446744073709551615 9223372036854775807 9223372036854775808 \
    -9223372036854775808 -9223372036854775809 0x1ffffffffffffffff 0xffffffffffffffff 2024-01-01 \
    2001-12-14t21:59:43.10-05:00 12:30 1:30:00 190:20:30 == = << - text 1a a1 .a .5a é 0.0.0.0/0 10.43.0.0/16 a@b \
    %a";

/// Files.
#[rustfmt::skip]
pub const FILES: &[&str] = &[
    "", "\n", "# x\n", "---\n", "---\na: 1\n", "a: 1\n---\n", "a: 1\n...\n", "null", "{}", "[]", "text", "1", "a",
    "- a", "a:\n- 1\n-   2\n", "a: {b, c: }", "a: [1, , 2]", "a: [1, 2,]", "{a: 1}", "a: [1", "a: {b: 1", "a: 'x",
    "a: \"x", "a: b: c", "a: 1\n b: 2", "a:\n\t b: 1", "a:\tb", "a: |-\n  x\n\n", "a: |+\n  x\n\n",
    "a: >\n  x\n  y\n\n  z\n", "a: >-\n  x\n   y\n", "a: |2\n   x\n", "a: |\n", "a: x\n  y\n  z\n", "a: 'x\n\n  y'",
    "a: \"x\\n\\t\\u00e9\\x41\\\"\"", "a: \"x\\\n  y\"", "a: 'it''s'", "a: &x {b: 1}\nc: *x\n",
    "a: &x 1\nb: [*x, *x]\n", "a: *x\n", "a: &x [*x]\n", "a: &x {b: 1}\nc: {<<: *x, d: 2}\n",
    "a: &x {b: 1}\nc: {b: 2, <<: *x}\n", "a: &x {b: 1}\nc: {<<: *x, b: 2}\n",
    "a: &x {b: 1}\nc: &y {b: 2, e: 3}\nd: {<<: [*x, *y]}\n", "c: {<<: {a: 1}}\n", "c: {<<: 1}\n", "c: {<<: [1]}\n",
    "c: {<<: null}\n", "c: {\"<<\": 1}\n", "a: &x 1\na2: &x 2\nb: *x\n", "? a\n: 1\n", "? [a]\n: 1\n", "{a: 1}: 2\n",
    "? {a: 1}\n", "~: 1\n", "null: 1\n", "\"\": 1\n", ": 1\n", "a: .inf\n", "a: -.INF\n", "a: .nan\n", ".inf: 1\n",
    "a: !!int \"5\"\n", "a: !!int x\n", "a: !!float 1\n", "a: !!float x\n", "a: !!bool yes\n", "a: !!bool x\n",
    "a: !!null ''\n", "a: !!null x\n", "a: !!str 5\n", "a: !!str\n", "a: !!str [1]\n", "a: !!map {b: 1}\n",
    "a: !!seq {b: 1}\n", "a: !mine 5\n", "a: ! 5\n", "a: ! \"5\"\n", "a: !!binary aGk=\n", "a: !!binary '?'\n",
    "a: !!timestamp x\n", "a: !<tag:yaml.org,2002:int> 5\n", "a: !!set {x, y}\n", "a: @x\n", "a: `x\n", "a: %x\n",
    "a: #x\n", "a: x#y\n", "a: x #y\n", "a: http://x:1/y\n", "a: {b: http://x}\n", "a: {b:c}\n", "a: {\"b\":c}\n",
    "a: {b: [c]}\n", "a: - b\n", "a: -b\n", "a: ?b\n", "a: :b\n", "a: [a:b]\n", "a: [a: b]\n",
    "a: [{b: 1}, {c: 2}]\n", "a:\n  - b: 1\n    c: 2\n  - - x\n    - y\n",
    "a:\n  b: 1\n  c:\n    d: null\n    e: [null, ~]\n", "a: b\r\nc: d\r\n", "a: \u{e9}\u{1f600}\n", "\u{feff}a: 1\n",
    "%YAML 1.2\n---\na: yes\n", "a: \u{7}\n", "a: \"\\q\"\n", "\"a\\nb\": 1\n", "a.b: 1\n", "a: 1 2 3\n",
    "a: [1 2]\n", "a: 'x' y\n", "a: \"x\" \"y\"\n", "a: [a]]\n", "a: }\n", "a: ]\n", "a: ,\n", "a: [,]\n", "a: *\n",
    "a: &\n", "a: !\n", "a: |x\n", "a: >9\n  x\n", "'a': 1\n", "\"a\" : 1\n", "d: null\n", "d: {m: null}\n",
    "d: {m: {x: null}}\n", "d: {m: {q: null}}\n", "d: {q: {r: null}}\n", "d: {m: 1}\n", "d: 1\n", "d: [1]\n",
    "d: {l: {x: 1}}\n", "d: {l: null, s: {t: 1}}\n", "d: {m: {y: {z: null}}}\n", "d: {m: {}}\n", "q: null\n",
    "q: {r: null}\n", "q: [null, {r: null}]\n", "global: null\n", "global: {a: null}\n", "a: 1\nb: 2\nc:\n",
    "commonLabels: null\n", "runtimeClasses: {kata: {handler: kata}}\n", "runtimeClasses: [{name: a, handler: b}]\n",
    "runtimeClasses: null\n", "a: 0xg\n", "a: 1,2\n", "a: 1 # c\n", "a: '1'\n", "a: [yes, 'yes']\n",
];

/// Texts of `--set` and `--set-string`.
#[rustfmt::skip]
pub const FLAGS: &[&str] = &[
    "", "a", "a=", "a=1", "a=,", "a=,b=1", ",", ",a=1", "=", "=1", "a==", "a=b=c", "a.b=1", "m.n.o=2", "m.n=1",
    "m.n.p=x", "m=1", "m.=1", "m.", ".m=1", ".=1", "m..n=1", "a[0]=1", "a[0].b=9", "a[0].d=9", "a[1].b=9", "a[2].b=9",
    "a[5]=1", "a[0][0]=1", "a[2][1]=1", "a[-1]=1", "a[x]=1", "a[]=1", "a[0=1", "a[0", "a[", "a[0]", "a[9]", "a[0].",
    "a[9].", "a[0].b", "a[9].b=", "a[0].b=", "a[0]x=1", "a[+1]=1", "a[01]=1", "a[ 1]=1", "a[65536]=1", "a[65537]=1",
    "a[99999999999999999999]=1", "[0]=1", "[0].a=1", "a.b[0]=1", "m[0]=1", "m.n[0]=1", "n[0].a=1,n[0].b=2,n[1].a=3",
    "n[1]=1,n[0]=0", "n={1,2},n[3]=4", "n={}", "n={,}", "n={a,b", "n={a}b=1", "n={a},b=1", "n={a}}=1", "n= {a}",
    "n={a,{b}}", "n={1,true,null,x}", "n={a\\,b,c}", "n={a=b}", "x\\.y=1", "x\\=y=1", "x\\,y=1", "x\\[0]=1",
    "x=a\\,b", "x=\\", "x\\", "x=a\\\\b", "x=\\{a}", "x=true", "x=TRUE", "x=tRuE", "x=false", "x=null", "x=Null",
    "x=0", "x=00", "x=01", "x=-0", "x=-1", "x=+1", "x=1.5", "x=1e3", "x=0x10", "x=1_000", "x=9223372036854775807",
    "x=9223372036854775808", "x=-9223372036854775808", "x= 1", "x=1 ", " x=1", "x =1", "x=yes", "x=~", "x=''",
    "x=\"a\"", "x=a b", "x=é", "é=1", "d=null", "d.m=null", "d.m.x=null", "d.q=null", "d.q.r=null", "d.l[0]=9",
    "d.l=null", "d.s=null", "nothing=1", "nothing.x=1", "nothing[0]=1", "x=1,x=2", "x=1,x.y=2", "x.y=1,x=2", "x=\n",
    "x=a\nb=1", "x=\ty", "g.a.b.c.d.e=1", "x=[1]", "x={}{}", "x={a},", "x={a},,", "x=1,,y=2", "a[0],b=1",
    "a[0].b,c=1", "m.n,o=1", "a[0].b.c=1", "runtimeClasses.kata.handler=kata",
    "runtimeClasses[0].name=a,runtimeClasses[0].handler=b", "global.a=1", "x=]", "x]=1", "x}=1", "}=1", "a[0]=null",
    "a[1]=null", "n[0].a=null", "n[1].a=1", "x.0=1", "0=1", "true=1", "x=falſe", "x=0,y=-5", "x.y[0].z[1].w=1",
];

/// Texts of `--set-json`.
#[rustfmt::skip]
pub const JSON: &[&str] = &[
    "", "x", "x=", "x=1", "x= 1 ", "x=1.5", "x=1e3", "x=\"a\"", "x=\"a,b\"", "x=null", "x=true", "x=[1,2]",
    "x={\"a\":1}", "x={\"a\":{\"b\":[1,null]}},y=2", "x=[1],y=[2]", "x=1,y=2", "x=1, y=2", "x= ,y=2", "x=,y=",
    "a[0]={\"b\":5}", "a[0].b=[1]", "a[3]=", "a[0]=", "x=a", "x=[1", "x={", "x={\"a\":1", "x=1e400", "x=01",
    "x=12345678901234567890", "x=9007199254740993", "x=\"\\u00e9\\ud83d\\ude00\"", "x=\"\\n\"", "x=\"\n\"", "x=-0",
    "x=1.0", "m={\"q\":1}", "m.n={\"q\":1}", "d={\"m\":null}", "d.m=null", "d={\"m\":{\"x\":null}}", "x=tru", "x='a'",
    "x={\"a\":1,\"a\":2}", "x=[1]]", "x=\"a\"\"b\"", "{\"a\":", "{a:1}", "x.=1", "x={}", "x=[]", "x={\"a\":{}}",
    "x=+1", "x=.5", "x=1.",
];
