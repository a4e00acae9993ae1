use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use super::*;

const CHART: &str = "apiVersion: v2\nname: mine\nversion: 0.1.0\nappVersion: 1.5\nkeywords: [a]\nextra: {a: 1}\nannotations: {a: 1, b: null}\n\
     maintainers: [{name: me, age: 7}]\ndeprecated: false\ndependencies: []\n";
const CLASSES: &str = "runtimeClasses: [{name: crun, handler: crun}]\n";
const TEMPLATE: &str = "{{- range .Values.runtimeClasses }}\nkind: RuntimeClass\n{{- end }}\n";

fn tar_of(files: &[(&str, &str)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (path, text) in files {
        let mut header = tar::Header::new_gnu();
        // Written by hand, since the library refuses the paths that the tests are about.
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, text.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn read(files: &[(&str, &str)]) -> Result<Chart, ChartError> {
    Chart::read("c.tgz", &gzip(&tar_of(files)))
}

#[track_caller]
fn assert_refused(bytes: &[u8], expected: &str) {
    let error = Chart::read("c.tgz", bytes).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}\n--- lacks\n{expected}");
}

#[test]
fn an_archive_is_read_in_any_order_plain_and_in_base64() {
    let files = [
        ("mine/templates/runtimeclasses.yaml", TEMPLATE),
        ("mine/templates/NOTES.txt", "kind: of notes"),
        ("mine/templates/_helpers.tpl", "{{ define \"x\" }}{{ end }}"),
        ("mine/values.yaml", CLASSES),
        ("mine/README.md", "kind: Pod"),
        ("mine/Chart.yaml", CHART),
    ];
    let packed = gzip(&tar_of(&files));
    let mut lines = STANDARD.encode(&packed);
    lines.insert(10, '\n');
    lines.push('\n');
    for bytes in [packed.as_slice(), lines.as_bytes()] {
        let chart = Chart::read("c.tgz", bytes).unwrap();
        assert_eq!((chart.name.as_str(), chart.version.as_str()), ("mine", "0.1.0"));
        assert_eq!(chart.app_version.as_deref(), Some("1.5"));
        assert_eq!(
            chart.metadata,
            json!({"apiVersion": "v2", "name": "mine", "version": "0.1.0", "appVersion": "1.5", "keywords": ["a"],
                   "annotations": {"a": "1"}, "maintainers": [{"name": "me"}], "deprecated": false})
        );
        assert_eq!(chart.values.to_json()["runtimeClasses"][0]["name"], "crun");
        assert_eq!(chart.templates.len(), 3);
    }
}

#[test]
fn what_makes_anything_but_runtimeclasses_is_refused() {
    for (path, text, expected) in [
        ("c/templates/a.yaml", "kind: RuntimeClass\n---\nkind: Pod\n", "templates/a.yaml:3 makes the kind \"Pod\""),
        ("c/templates/a.yaml", "{\"kind\" : \"Pod\", a: 1}", "makes the kind \"Pod\""),
        ("c/templates/a.yaml", "a: {b: 1, kind: 'Pod'}", "makes the kind \"Pod\""),
        ("c/templates/a.yaml", "kind: {{ .Values.kind }}", "makes the kind"),
        ("c/templates/_a.tpl", "kind: Pod", "makes the kind \"Pod\""),
        ("c/templates/sub/a.yaml", "{{ include \"x\" . }}", "templates/sub/a.yaml has no `kind: RuntimeClass`"),
        ("c/crds/a.yaml", "", "it has crds/a.yaml"),
        ("c/charts/b/Chart.yaml", CHART, "it has charts/b/Chart.yaml"),
        (
            "c/Chart.yaml",
            "apiVersion: v2\nname: a\nversion: '1'\ndependencies: [{name: b}]",
            "c.tgz:Chart.yaml:4:1: the chart depends on other charts",
        ),
        ("c/Chart.yaml", "apiVersion: v2\nname: a\nversion: '1'\ntype: library", "it is a library"),
    ] {
        let files = [("c/Chart.yaml", CHART), ("c/values.yaml", CLASSES), (path, text)];
        assert_refused(&gzip(&tar_of(&files)), expected);
    }
    for text in ["kind: RuntimeClass", "kind: \"RuntimeClass\"  # x", "# nothing\n\n", "mankind: x\nkind: RuntimeClass"]
    {
        read(&[("c/Chart.yaml", CHART), ("c/values.yaml", CLASSES), ("c/templates/a.yaml", text)]).unwrap();
    }
    let hidden = [("c/Chart.yaml", CHART), ("c/templates/a.yaml", "kind: RuntimeClass")];
    assert_refused(&gzip(&tar_of(&hidden)), "its values.yaml has no `runtimeClasses`");
}

#[test]
fn what_is_no_chart_is_told() {
    let whole = gzip(&tar_of(&[("c/Chart.yaml", CHART)]));
    assert_refused(b"", "neither a gzip archive nor one in base64");
    assert_refused(b"hello", "neither a gzip archive nor one in base64");
    assert_refused(&whole[..whole.len() / 2], "it is not a whole gzip archive");
    assert_refused(&gzip(&tar_of(&[("c/Chart.yaml", CHART)])[..600]), "it is not a whole tar archive");
    assert_refused(&gzip(&[7; 2000]), "it is not a whole tar archive");
    for (files, expected) in [
        (vec![("c/values.yaml", "")], "it has no Chart.yaml"),
        (vec![("c/Chart.yaml", "")], "Chart.yaml has no text as `apiVersion`"),
        (vec![("c/Chart.yaml", "apiVersion: v2\nversion: '1'")], "Chart.yaml has no text as `name`"),
        (vec![("c/Chart.yaml", "apiVersion: v2\nname: a")], "Chart.yaml has no text as `version`"),
        (
            vec![("c/Chart.yaml", "apiVersion: v2\nname: [a]")],
            "c.tgz:Chart.yaml:2:7: `name` must be text, found a list",
        ),
        (vec![("c/Chart.yaml", "keywords: a")], "c.tgz:Chart.yaml:1:11: `keywords` must be a list, found a string"),
        (
            vec![("c/Chart.yaml", "annotations: [a]")],
            "c.tgz:Chart.yaml:1:14: `annotations` must be a map, found a list",
        ),
        (vec![("c/Chart.yaml", "deprecated: 'no'")], "`deprecated` must be true or false, found a string"),
        (vec![("c/Chart.yaml", "apiVersion: v9\nname: a")], "its apiVersion is \"v9\""),
        (vec![("c/Chart.yaml", "a: [")], "c.tgz:Chart.yaml:1:"),
        (
            vec![("c/Chart.yaml", CHART), ("c/values.yaml", "a: 1\na: 2")],
            "c.tgz:values.yaml:2:1: the key \"a\" stands twice",
        ),
        (vec![("Chart.yaml", CHART)], "its member \"Chart.yaml\" is in no folder"),
        (vec![("../c/Chart.yaml", CHART)], "its member \"../c/Chart.yaml\" points out of the chart"),
        (vec![("/c/Chart.yaml", CHART)], "points out of the chart"),
        (vec![("c/../Chart.yaml", CHART)], "points out of the chart"),
        (vec![("c\\..\\Chart.yaml", CHART)], "points out of the chart"),
        (vec![("c/x", ""); MAX_MEMBERS + 1], "it has more than 1000 members"),
    ] {
        assert_refused(&gzip(&tar_of(&files)), expected);
    }
    let text = [CHART.as_bytes(), &[0xff]].concat();
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(text.len() as u64);
    header.set_cksum();
    builder.append_data(&mut header, "c/Chart.yaml", text.as_slice()).unwrap();
    assert_refused(&gzip(&builder.into_inner().unwrap()), "Chart.yaml is not UTF-8");
}

#[test]
fn a_zip_bomb_ends_at_the_limit() {
    let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
    assert!(bomb.len() < 1024 * 1024);
    assert_refused(&bomb, "unpacked it is larger than 16 MiB");
}

#[test]
fn a_member_that_claims_to_be_huge_costs_nothing() {
    let mut tar = tar_of(&[("c/Chart.yaml", CHART)]);
    let mut header = tar::Header::from_byte_slice(&tar[..512]).clone();
    header.set_size(u64::from(u32::MAX));
    header.set_cksum();
    tar[..512].copy_from_slice(header.as_bytes());
    assert_refused(&gzip(&tar), "");
}
