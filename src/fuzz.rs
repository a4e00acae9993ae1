//! No input can crash the program or make it hang: inputs by chance, for each of its readers.
//!
//! Each test tries some hundred inputs; with `FUZZ_SECONDS` it goes on for that long (`cargo xtask fuzz`).

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io::Write as _;
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestRunner};

use crate::chart::Chart;
use crate::render::{MAIN_TEMPLATE, Templates};
use crate::values::{Layers, Source, Values};

/// An input may not take longer, on the slowest machine and without optimisation.
const LONGEST: Duration = Duration::from_secs(20);

fn try_all<S>(inputs: &S, test: impl Fn(S::Value))
where
    S: Strategy,
    S::Value: Debug,
{
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.parse().ok()).map(Duration::from_secs);
    let start = Instant::now();
    let mut count = 0_u64;
    loop {
        let config = Config { cases: 300, failure_persistence: None, ..Config::default() };
        let done = TestRunner::new(config).run(inputs, |input| {
            let begun = Instant::now();
            test(input);
            prop_assert!(begun.elapsed() < LONGEST, "it took {:?}", begun.elapsed());
            Ok(())
        });
        if let Err(error) = done {
            panic!("{error}");
        }
        count += 300;
        if seconds.is_none_or(|seconds| start.elapsed() >= seconds) {
            break;
        }
    }
    println!("{count} inputs in {} s, nothing found", start.elapsed().as_secs());
}

/// Words of a language by chance, some of them broken.
fn soup(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let word = prop_oneof![
        12 => select(words).prop_map(str::to_owned),
        1 => any::<char>().prop_map(String::from),
        1 => "[a-z0-9]{1,3}",
    ];
    prop::collection::vec(word, 0..60).prop_map(|words| words.concat())
}

/// A good text with some places changed: cut, doubled, or with something else put in.
fn damaged(good: &'static [&'static str], words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let change = (any::<Index>(), any::<Index>(), 0..4_u8, select(words));
    (select(good), prop::collection::vec(change, 0..6)).prop_map(|(good, changes)| {
        let mut text: Vec<char> = good.chars().collect();
        for (from, to, how, word) in changes {
            let (one, other) = (from.index(text.len() + 1), to.index(text.len() + 1));
            let range = one.min(other)..one.max(other);
            match how {
                0 => drop(text.drain(range)),
                1 => {
                    let copy = text[range.clone()].to_vec();
                    text.splice(range.end..range.end, copy);
                }
                _ => drop(text.splice(range.start..range.start, word.chars())),
            }
        }
        text.into_iter().collect()
    })
}

const YAML: &[&str] = &[
    "a",
    "b: ",
    ": ",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&x ",
    "*x",
    "<<: ",
    "!!int ",
    "!!binary ",
    "! ",
    "'",
    "\"",
    "|",
    ">-",
    "#",
    "? ",
    "---\n",
    "...\n",
    "%YAML 1.1\n",
    "null",
    "~",
    "1",
    "0x",
    "1e999",
    ".inf",
    "yes",
    "\\",
    "\\u12",
    "\t",
    "\r\n",
    "\u{feff}",
    "\u{85}",
    "runtimeClasses: ",
    "handler: ",
    "presets: ",
    "rke2",
    "labels: ",
    "overhead: ",
    "podFixed: ",
    "cpu: ",
    "-1",
    "scheduling: ",
    "tolerations: ",
    "nodeSelector: ",
    "commonLabels: ",
    "existing: ",
    "name: ",
];
const GOOD_YAML: &[&str] = &[
    "presets: [rke2]\nruntimeClasses:\n  kata:\n    handler: kata\n    labels: {a: b}\n    overhead: {podFixed: {cpu: 250m}}\n    scheduling:\n      tolerations:\n      - {key: a, operator: Exists}\n",
    "runtimeClasses:\n- {name: a, handler: b}\n- name: c\n  handler: d\n  annotations: {x: \"y\\n\"}\ncommonLabels: {t: u}\n",
    "a: &x {b: 1, c: [1, 2, {d: e}]}\nf: *x\ng: {<<: *x, b: |\n  text\n  more\n  }\nh: >-\n  folded\n  text\ni: 'it''s'\n",
];

#[test]
fn yaml() {
    let inputs = prop_oneof![soup(YAML), damaged(GOOD_YAML, YAML), any::<String>()];
    try_all(&inputs, |text| {
        let source = Source::new("v.yaml", text.as_str());
        match Values::new(&Layers::of_files(vec![source])) {
            Ok(values) => assert!(values.classes.is_sorted_by(|one, other| one.name < other.name)),
            Err(error) => assert!(error.to_string().contains(": ") && error.to_string().contains(".yaml"), "{error}"),
        }
    });
}

const SET: &[&str] = &[
    "a",
    "b",
    ".",
    ".",
    "=",
    "=",
    ",",
    "[",
    "]",
    "[0]",
    "[1]",
    "[65536]",
    "[99999]",
    "[-1]",
    "{",
    "}",
    "\\",
    "\"",
    "null",
    "true",
    "0",
    "9223372036854775808",
    "{\"a\":",
    "[1,",
    ": ",
    " ",
    "\n",
    "runtimeClasses",
    "crun",
    "handler",
    "labels",
    "presets",
    "é",
];
const GOOD_SET: &[&str] = &[
    "runtimeClasses.crun.handler=crun,runtimeClasses.crun.labels.a\\.b=c",
    "a[0].b=1,a[1][2]={x,y,z},m={}",
    "a={\"b\":[1,2.5,null]},c=\"d\"",
    "{\"runtimeClasses\":{\"a\":{\"handler\":\"b\"}}}",
];

#[test]
fn set() {
    let text = || prop_oneof![soup(SET), damaged(GOOD_SET, SET), any::<String>()];
    let texts = || prop::collection::vec(text(), 0..3);
    try_all(&(texts(), texts(), texts()), |(set, set_string, set_json)| {
        let files = vec![Source::new("v.yaml", "a: [{b: 1}, x]\nm: {n: 1}\n")];
        let layers = Layers { files, set, set_string, set_json, chart: None };
        if let Err(error) = Values::new(&layers) {
            assert!(!error.to_string().is_empty());
        }
    });
}

const PATHS: &[&str] = &[
    "c/Chart.yaml",
    "c/values.yaml",
    "c/templates/a.yaml",
    "c/templates/_h.tpl",
    "c/../../etc/passwd",
    "/c/values.yaml",
    "c//x",
    "./c/Chart.yaml",
    "c/charts/d/Chart.yaml",
    "c/crds/x.yaml",
    "Chart.yaml",
    "c\\values.yaml",
    "c/",
    "",
];
const MEMBERS: &[&str] = &[
    "apiVersion: v2\nname: c\nversion: 1.0.0\n",
    "runtimeClasses: [{name: a, handler: a}]\n",
    "kind: RuntimeClass\n",
    "kind: Pod\n",
    "{{ include \"x\" . }}",
    "a: [",
    "",
    "apiVersion: v2\nname: [a]\nversion: 7\nmaintainers: [{name: 1}]\n",
];

fn tar(members: &[(&str, &str, u8)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text, kind) in members {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(tar::EntryType::new(*kind));
        if *kind == b'2' {
            let _ = header.set_link_name("/etc/passwd");
        }
        header.set_size(text.len() as u64);
        header.set_cksum();
        let _ = builder.append(&header, text.as_bytes());
    }
    builder.into_inner().unwrap_or_default()
}

/// Changes bytes, and cuts the end off.
fn spoil(bytes: &mut Vec<u8>, changes: &[(Index, u8)], cut: Option<Index>) {
    if bytes.is_empty() {
        return;
    }
    for (at, to) in changes {
        let at = at.index(bytes.len());
        bytes[at] = *to;
    }
    if let Some(cut) = cut {
        bytes.truncate(cut.index(bytes.len()));
    }
}

#[test]
fn charts() {
    let kinds = prop_oneof![10 => Just(b'0'), 1 => select(b"125LKxgS".as_slice()), 1 => any::<u8>()];
    let members = prop::collection::vec((select(PATHS), select(MEMBERS), kinds), 0..6);
    let changes = || prop::collection::vec((any::<Index>(), any::<u8>()), 0..3);
    let cut = || prop::option::weighted(0.2, any::<Index>());
    let archive =
        (members, changes(), cut(), changes(), cut()).prop_map(|(members, in_tar, cut_tar, in_gzip, cut_gzip)| {
            let mut whole = vec![("c/Chart.yaml", MEMBERS[0], b'0'), ("c/values.yaml", MEMBERS[1], b'0')];
            whole.extend(members);
            let mut bytes = tar(&whole);
            spoil(&mut bytes, &in_tar, cut_tar);
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&bytes).unwrap();
            let mut packed = encoder.finish().unwrap();
            // Behind the header, most of the time: else no more is read than that.
            spoil(&mut packed, &in_gzip, cut_gzip);
            packed
        });
    try_all(&prop_oneof![6 => archive, 1 => prop::collection::vec(any::<u8>(), 0..200)], |bytes| {
        match Chart::read("c.tgz", &bytes) {
            Ok(chart) => {
                assert_eq!(chart.metadata["name"], chart.name);
                let inside = |path: &str| path.starts_with("templates/") && path.split('/').all(|part| part != "..");
                assert!(chart.templates.iter().all(|(path, _)| inside(path)));
                let _ = Values::new(&Layers { chart: Some(chart), ..Layers::default() });
            }
            Err(error) => assert!(error.to_string().contains("c.tgz"), "{error}"),
        }
    });
}

const TERA: &[&str] = &[
    "{{ ",
    " }}",
    "{% ",
    " %}",
    "{# ",
    " #}",
    "class",
    ".name",
    ".handler",
    "values",
    "[\"x\"]",
    "release",
    " | json",
    " | upper",
    " | default(value=",
    "1",
    ")",
    "(",
    "'x'",
    "\"y\"",
    " ~ ",
    " + ",
    " / 0",
    " and ",
    " not ",
    " in ",
    "if ",
    "endif",
    "else",
    "for i in ",
    "range(end=3)",
    "endfor",
    "set x = ",
    "set_global x = ",
    "set x",
    "endset",
    "include 'a'",
    "include 'runtimeclass.yaml'",
    "extends 'a'",
    "block b",
    "endblock",
    "component c(a=1)",
    "endcomponent c",
    "<c a={1} />",
    "filter upper",
    "endfilter",
    "raw",
    "endraw",
    "-",
    "x",
    "loop.index",
    "[1, 2]",
    "{\"a\": 1}",
    "\n",
    "kind: ",
    " | indent(width=",
    "9999999999",
    " | round(precision=",
    " | truncate(length=",
    " | replace(from='', to='yy')",
    " | split(pat='')",
    " | group_by(attribute='a')",
    "[::0]",
    "throw(message='m')",
    "é",
];
const GOOD_TERA: &[&str] = &[
    include_str!("../templates/runtimeclass.yaml"),
    "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata: {name: {{ class.name }}}\nhandler: {{ class.handler | lower }}\n{% for i in range(end=2) %}# {{ i }}\n{% endfor %}",
    "{% component c(a=1) %}# {{ a }}{% endcomponent c %}{{ <c a={2} /> }}\n{% set x = class.name ~ 'é' %}{{ x | truncate(length=1) | indent(width=2) | json }}",
];

#[test]
fn templates() {
    let values =
        Values::new(&Layers::of_files(vec![Source::new("v", "runtimeClasses: [{name: a, handler: b}]")])).unwrap();
    let release = crate::names::Release { name: "r".parse().unwrap(), namespace: "n".parse().unwrap() };
    let text = || prop_oneof![soup(TERA), damaged(GOOD_TERA, TERA)];
    try_all(&(text(), text()), |(main, other)| {
        let source = |name: &str, text: &str| (name.to_owned(), Source::new(name, text));
        let sources = BTreeMap::from([source(MAIN_TEMPLATE, &main), source("a", &other)]);
        match Templates::new(sources).and_then(|templates| templates.render(&values, &release)) {
            Ok(desired) => assert!(desired.iter().all(|class| class.name() == "a")),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    });
}
