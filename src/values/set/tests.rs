use serde_json::{Value as Data, json};

use super::super::yaml;
use super::*;

fn set_into(file: &str, flags: &[(Kind, &str)]) -> Result<Node, ValuesError> {
    let mut values = yaml::parse(&Source::new("v.yaml", file)).unwrap();
    let mut setter = Setter::default();
    for (kind, text) in flags {
        let flag = match kind {
            Kind::Typed => "--set",
            Kind::Text => "--set-string",
            Kind::Json => "--set-json",
        };
        setter.apply(*kind, &Source::new(flag, *text), &mut values)?;
    }
    Ok(values)
}

#[track_caller]
fn assert_set(file: &str, kind: Kind, text: &str, expected: &Data) {
    assert_eq!(set_into(file, &[(kind, text)]).unwrap().to_json(), *expected, "{text}");
}

#[track_caller]
fn assert_refused(kind: Kind, text: &str, expected: &str) {
    let error = set_into("l: [1]\nm: {p: 1}\n", &[(kind, text)]).unwrap_err().to_string();
    assert!(error.starts_with(expected), "{text}\n--- gave\n{error}\n--- expected\n{expected}");
}

#[test]
fn names_values_and_lists() {
    for (text, expected) in [
        ("a=b", json!({"a": "b"})),
        ("a=b,c=d", json!({"a": "b", "c": "d"})),
        ("a.b.c=d,a.e=f", json!({"a": {"b": {"c": "d"}, "e": "f"}})),
        ("a={x,y}", json!({"a": ["x", "y"]})),
        ("a={x,1,true,null},b=2", json!({"a": ["x", 1, true, null], "b": 2})),
        ("a={}", json!({"a": [""]})),
        ("a[0]=x,a[1]=y", json!({"a": ["x", "y"]})),
        ("a[2]=x", json!({"a": [null, null, "x"]})),
        ("a[0].b=x,a[0].c=y", json!({"a": [{"b": "x", "c": "y"}]})),
        ("a[1][1].b=x", json!({"a": [null, [null, {"b": "x"}]]})),
        ("a=", json!({"a": ""})),
        ("a=,b=c", json!({"a": "", "b": "c"})),
        ("a=b=c", json!({"a": "b=c"})),
        ("a==", json!({"a": "="})),
        ("a= b ", json!({"a": " b "})),
        ("", json!({})),
        ("=a", json!({})),
        ("a[0]", json!({"a": []})),
        ("a.", json!({})),
    ] {
        assert_set("", Kind::Typed, text, &expected);
    }
}

#[test]
fn a_backslash_takes_a_characters_meaning() {
    for (text, expected) in [
        (r"a\.b=c", json!({"a.b": "c"})),
        (r"a=b\,c", json!({"a": "b,c"})),
        (r"a\=b=c", json!({"a=b": "c"})),
        (r"a\[0]=c", json!({"a[0]": "c"})),
        (r"a={b\,c,d\}}", json!({"a": ["b,c", "d}"]})),
        (r"a=\{b", json!({"a": "{b"})),
        (r"a=b\\c", json!({"a": r"b\c"})),
        (r"a=b\", json!({"a": "b"})),
    ] {
        assert_set("", Kind::Typed, text, &expected);
    }
}

#[test]
fn types_are_told_from_text_unless_all_is_text() {
    for (text, expected) in [
        ("true", json!(true)),
        ("False", json!(false)),
        ("falſe", json!(false)),
        ("NULL", json!(null)),
        ("0", json!(0)),
        ("-7", json!(-7)),
        ("+7", json!(7)),
        ("9007199254740993", json!(9_007_199_254_740_993_i64)),
        ("9223372036854775808", json!("9223372036854775808")),
        ("007", json!("007")),
        ("00", json!("00")),
        ("1.5", json!("1.5")),
        ("1e3", json!("1e3")),
        ("yes", json!("yes")),
        ("~", json!("~")),
    ] {
        assert_set("", Kind::Typed, &format!("a={text}"), &json!({ "a": expected }));
        assert_set("", Kind::Text, &format!("a={text}"), &json!({ "a": text }));
    }
    assert_set("", Kind::Text, "a={1,null}", &json!({"a": ["1", "null"]}));
}

#[test]
fn json_is_json() {
    for (text, expected) in [
        (r#"a={"b":[1,2.5,null]},c="d""#, json!({"a": {"b": [1, 2.5, null]}, "c": "d"})),
        ("a= 1 , b=2", json!({"a": 1, " b": 2})),
        ("a=,b=1", json!({"a": null, "b": 1})),
        ("a=", json!({"a": null})),
        (r#"a[1].b={"c":1}"#, json!({"a": [null, {"b": {"c": 1}}]})),
        ("a=12345678901234567890", json!({"a": 12_345_678_901_234_567_890_f64})),
        (r#"a="ä",b=1"#, json!({"a": "ä", "b": 1})),
        (r#" {"m": {"x": 1}} "#, json!({"m": {"x": 1}})),
    ] {
        assert_set("", Kind::Json, text, &expected);
    }
    assert_set("m: {p: 1}", Kind::Json, r#"{"m": {"x": 1}}"#, &json!({"m": {"p": 1, "x": 1}}));
}

#[test]
fn what_files_defined_is_changed_in_place() {
    let file = "a: [{b: 1, c: 2}, 3]\nd: {e: 1}\n";
    for (text, expected) in [
        ("a[0].b=9", json!({"a": [{"b": 9, "c": 2}, 3], "d": {"e": 1}})),
        ("a[1].x=9", json!({"a": [{"b": 1, "c": 2}, {"x": 9}], "d": {"e": 1}})),
        ("a[3]=9", json!({"a": [{"b": 1, "c": 2}, 3, null, 9], "d": {"e": 1}})),
        ("d.f=9", json!({"a": [{"b": 1, "c": 2}, 3], "d": {"e": 1, "f": 9}})),
        ("a=9", json!({"a": 9, "d": {"e": 1}})),
    ] {
        assert_set(file, Kind::Typed, text, &expected);
    }
}

#[test]
fn what_is_wrong_is_told_with_the_flag_and_the_place_in_it() {
    let deep = vec!["a"; 32].join(".") + "=1";
    let many = format!("a{}=1", "[0]".repeat(40));
    for (text, expected) in [
        ("a", "--set:1:1: \"a\" has no value, expected a=VALUE\n  |\n1 | a\n  | ^"),
        ("a=1,b", "--set:1:5: \"b\" has no value"),
        ("a,b=1", "--set:1:1: \"a\" has no value, expected a=VALUE before the comma"),
        ("a.b,c=1", "--set:1:3: \"b\" has no value"),
        ("a={x", "--set:1:3: the list has no end, expected `}`"),
        ("a[0", "--set:1:3: the index has no end, expected `]`"),
        ("a[x]=1", "--set:1:3: the index \"x\" is not a number"),
        ("a[-1]=1", "--set:1:3: the index -1 is below zero"),
        ("a[65537]=1", "--set:1:3: the index 65537 is above 65536, Helm's limit"),
        ("a[99999999999999999999]=1", "--set:1:3: the index \"99999999999999999999\" is not a number"),
        ("a[0]b=1", "--set:1:5: expected `=`, `.` or `[` after an index, found \"b\""),
        ("a.=1", "--set:1:1: \"a\" gets no value"),
        ("m[0]=1", "--set:1:1: \"m\" is no list but a map, from v.yaml:2:4"),
        ("l.a=1", "--set:1:1: \"l\" is no map but a list, from v.yaml:1:4"),
        ("l[0][0]=1", "--set:1:5: \"[0]\" is no list but a number"),
        ("m=1,m.p=2", "--set:1:5: \"m\" is no map but a number, from --set:1:3"),
        (&deep, "--set:1:61: names nest deeper than 30, Helm's limit"),
        (&many, "--set:1:92: more than 30 indices in a row"),
        ("a[65536]=,b[65536]=,c[65536]=,d[65536]=", "--set:1:39: the flags make more than 262144 list items"),
        ("x=1\ny=2,z", "--set:2:5: \"z\" has no value"),
    ] {
        assert_refused(Kind::Typed, text, expected);
    }
    for (text, expected) in [
        ("a=x", "--set-json:1:3: not valid JSON: expected value"),
        ("b=1,a={", "--set-json:1:7: not valid JSON: EOF while parsing an object"),
        ("{\"a\": 1", "--set-json:1:7: not valid JSON: EOF while parsing an object"),
        ("{\"a\": 1} x", "--set-json:1:10: not valid JSON: trailing characters"),
        ("a=1e999", "--set-json:1:3: not valid JSON: number out of range"),
    ] {
        assert_refused(Kind::Json, text, expected);
    }
}

#[test]
fn values_know_their_place_in_the_flag() {
    let values = set_into("", &[(Kind::Typed, "ä=1,b.c={x,y}")]).unwrap();
    let node = values.get("b").unwrap().get("c").unwrap();
    assert_eq!(node.key_place.as_ref().unwrap().to_string(), "--set:1:7");
    assert_eq!(node.place.to_string(), "--set:1:9");
    let Value::List(items) = &node.value else { panic!("{node:?}") };
    assert_eq!(items[1].place.to_string(), "--set:1:12");
}
