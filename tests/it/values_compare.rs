//! Values mean here what they mean to Helm: the same files and flags go to both Helms, with a chart that prints its
//! values, and to this program.

mod cases;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use xtask::testbed::assets::{self, Program};

use crate::support::{packed, program};

const CHART: [(&str, &str); 3] = [
    ("printer/Chart.yaml", "apiVersion: v2\nname: printer\nversion: 0.1.0\n"),
    (
        "printer/values.yaml",
        "presets: []\nruntimeClasses: {}\ncommonLabels: {}\ncommonAnnotations: {}\n\
         d: {m: {x: 1, y: {z: 2}}, l: [1, {a: b}], s: text}\n",
    ),
    (
        "printer/templates/values.yaml",
        "apiVersion: node.k8s.io/v1\nkind: RuntimeClass\nmetadata:\n  name: v\n  annotations:\n    \
         values: {{ .Values | toJson | b64enc }}\nhandler: x\n",
    ),
];

/// Texts of files, and flags with their texts.
#[derive(Debug, Default, Clone)]
struct Case {
    files: Vec<String>,
    flags: Vec<(&'static str, String)>,
}

/// What is to come out of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// What both Helms make of it, or a refusal where one of them refuses.
    AsHelm,
    /// What Helm 4 makes of it; Helm 3 makes something else.
    AsHelm4(&'static str),
    /// A refusal, although a Helm takes it.
    Refused(&'static str),
    /// Taken, although both Helms refuse it.
    Taken(&'static str),
    /// Something else than what both Helms make of it.
    Other(&'static str),
}

use self::Expected::{AsHelm, AsHelm4, Other, Refused, Taken};

fn files(texts: &[&str]) -> Case {
    Case { files: texts.iter().map(|text| (*text).to_owned()).collect(), flags: Vec::new() }
}

fn flag(flag: &'static str, text: &str) -> Case {
    files(&["a: [{b: 1, c: 2}, x]\nm: {n: {o: 1}}\nnothing: null\n"]).with(flag, text)
}

impl Case {
    fn with(mut self, flag: &'static str, text: &str) -> Self {
        self.flags.push((flag, text.to_owned()));
        self
    }
}

/// The programs and the chart.
struct Printers {
    helms: [PathBuf; 2],
    folder: tempfile::TempDir,
    chart: PathBuf,
}

impl Printers {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let chart = folder.path().join("printer.tgz");
        std::fs::write(&chart, packed(&CHART)).unwrap();
        let helms = [Program::Helm3, Program::Helm4].map(|helm| assets::path(helm).unwrap());
        Self { helms, folder, chart }
    }

    /// The values of both Helms and of this program, or what each says against them.
    fn run(&self, index: usize, case: &Case) -> [Result<Value, String>; 3] {
        let folder = self.folder.path().join(index.to_string());
        std::fs::create_dir(&folder).unwrap();
        let mut arguments = Vec::new();
        for (number, text) in case.files.iter().enumerate() {
            let file = folder.join(format!("{number}.yaml"));
            std::fs::write(&file, text).unwrap();
            arguments.extend(["-f".to_owned(), file.to_str().unwrap().to_owned()]);
        }
        arguments.extend(case.flags.iter().map(|(flag, text)| format!("{flag}={text}")));
        let [helm3, helm4] = self.helms.each_ref().map(|helm| self.helm(helm, &arguments));
        let chart = self.chart.to_str().unwrap();
        let mut command = program(&["values", "-o", "json", "--quiet", "--chart", chart]);
        let ran = command.args(&arguments).output().unwrap();
        let ours = match ran.status.code() {
            Some(0) => Ok(serde_json::from_slice(&ran.stdout).unwrap()),
            Some(2) => Err(String::from_utf8(ran.stderr).unwrap()),
            other => panic!("exit {other:?} for {case:?}"),
        };
        [helm3, helm4, ours]
    }

    fn helm(&self, helm: &Path, arguments: &[String]) -> Result<Value, String> {
        let mut command = Command::new(helm);
        command.args(["template", "r"]).arg(&self.chart).args(arguments);
        // Helm runs for a few hundredths of a second: what Go's collector would free is not worth its threads.
        command
            .env_clear()
            .env("HOME", self.folder.path())
            .env("GOGC", "off")
            .env("GOMAXPROCS", "1")
            .stdin(Stdio::null());
        let ran = command.output().unwrap();
        if !ran.status.success() {
            return Err(String::from_utf8_lossy(&ran.stderr).into_owned());
        }
        let text = String::from_utf8(ran.stdout).unwrap();
        let base64 = text.lines().find_map(|line| line.trim().strip_prefix("values: ")).unwrap();
        Ok(serde_json::from_slice(&STANDARD.decode(base64).unwrap()).unwrap())
    }
}

/// Equal but for how a number is written: Go writes a float that is whole without a point.
fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_i64().is_none_or(|_| other.as_i64().is_none()) && one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
        }
        _ => one == other,
    }
}

/// What is wrong with the outcome, if anything is.
fn verdict(expected: Expected, outcome: &[Result<Value, String>; 3]) -> Option<&'static str> {
    let equal = |one: &Result<Value, String>, other: &Result<Value, String>| match (one, other) {
        (Ok(one), Ok(other)) => same(one, other),
        (one, other) => one.is_err() && other.is_err(),
    };
    let [helm3, helm4, ours] = outcome;
    match expected {
        AsHelm if helm3.is_err() || helm4.is_err() => {
            ours.is_ok().then_some("a Helm refuses and this program does not")
        }
        AsHelm if !equal(helm3, helm4) => Some("the Helms differ: say whom to follow"),
        AsHelm => (!equal(helm4, ours)).then_some("the values differ"),
        AsHelm4(_) if equal(helm3, helm4) => Some("the Helms do not differ"),
        AsHelm4(_) => (!equal(helm4, ours)).then_some("the values differ from Helm 4's"),
        Taken(_) if helm3.is_ok() || helm4.is_ok() => Some("a Helm takes it as well: no difference to list"),
        Taken(_) => ours.is_err().then_some("this program refuses"),
        Other(_) if helm3.is_err() || ours.is_err() || !equal(helm3, helm4) => {
            Some("somebody refuses, or the Helms differ")
        }
        Other(_) => equal(helm4, ours).then_some("the values do not differ"),
        Refused(_) if helm3.is_err() && helm4.is_err() => Some("the Helms refuse as well: no difference to list"),
        Refused(_) => ours.is_ok().then_some("this program does not refuse"),
    }
}

#[track_caller]
fn compare(cases: &[(Case, Expected)]) {
    let printers = Printers::new();
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from).min(8) {
            scope.spawn(|| {
                while let Some((index, (case, expected))) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|index| Some((index, cases.get(index)?)))
                {
                    let outcome = printers.run(index, case);
                    if let Some(wrong) = verdict(*expected, &outcome) {
                        let [helm3, helm4, ours] = outcome;
                        failures.lock().unwrap().push(format!(
                            "{wrong}: {case:?}\n  Helm 3 {helm3:?}\n  Helm 4 {helm4:?}\n  ours   {ours:?}"
                        ));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    #[expect(clippy::print_stdout, reason = "how many there were is a part of the result")]
    {
        println!("{} cases compared with Helm 3 and Helm 4", cases.len());
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), cases.len(), failures.join("\n"));
}

/// Each word as a value, in flow and quoted, and as a key.
fn words() -> Vec<(Case, Expected)> {
    // Some are no plain scalars, and as keys some are refused: those stand alone.
    const NOT_PLAIN: [&str; 2] = ["-", "%a"];
    const NO_KEYS: &str =
        "null Null NULL ~ 12345678901234567890 18446744073709551615 9223372036854775808 0xffffffffffffffff";
    let no_keys: Vec<&str> = NO_KEYS.split(' ').collect();
    let (mut values, mut keys) = (String::new(), String::new());
    for (index, word) in cases::WORDS.split_whitespace().enumerate() {
        if !NOT_PLAIN.contains(&word) {
            write!(values, "v{index}: {word}\nf{index}: [{word}, {{a: {word}}}]\nt{index}: !!str {word}\n").unwrap();
            if !no_keys.contains(&word) {
                write!(keys, "k{index}:\n  {word}: 1\nj{index}: {{{word}: 1, x: 2}}\n").unwrap();
            }
        }
        write!(values, "q{index}: \"{word}\"\ns{index}: '{word}'\n").unwrap();
    }
    let mut cases = vec![(files(&[&values]), AsHelm), (files(&[&keys]), AsHelm)];
    cases.extend(NOT_PLAIN.map(|word| (files(&[&format!("k: {word}\n")]), AsHelm)));
    cases.extend(no_keys.into_iter().map(|word| (files(&[&format!("k:\n  {word}: 1\n")]), AsHelm)));
    cases
}

#[test]
fn words_are_what_helm_takes_them_for() {
    compare(&words());
}

fn picked_files() -> Vec<(Case, Expected)> {
    let duplicates = Refused("a key that stands twice is a mistake; Helm takes the last one");
    let json = "JSON's escape, which YAML has since 1.2";
    let breaks = "a line break of YAML 1.1, and a character like others since 1.2";
    let second = "Helm 3 overlooks a second document and Helm 4 merges it: neither is what its writer meant for both";
    let mut cases: Vec<(Case, Expected)> = cases::FILES.iter().map(|text| (files(&[*text]), AsHelm)).collect();
    cases.extend([
        (files(&["a: {b: 1, c: [1]}", "a: {c: [2], d: 1}"]), AsHelm),
        (files(&["a: {b: 1}", "a: null"]), AsHelm),
        (files(&["a: {b: 1}", "a: null", "a: {c: 1}"]), AsHelm),
        (files(&["a: 1", "a: {b: 1}"]), AsHelm),
        (files(&["d: null", "d: {m: {x: 2}}"]), AsHelm),
        (files(&["d: {m: null}", "d: {m: {q: 1}}"]), AsHelm),
        (files(&["a: {b: {c: 1}}", "a: {b: {c: null}}"]), AsHelm),
        (files(&["a: 1\na: 2\n"]), duplicates),
        (files(&["a: {b: 1, b: 2}\n"]), duplicates),
        (files(&["a: 1\n---\nb: 2\n"]), Refused(second)),
        (files(&[" a: 1\nb: 2"]), Refused("Helm overlooks all that stands after a line that is not indented enough")),
        (files(&["%YAML 1.1\n---\na: 1\n"]), Refused("Helm 3 takes this directive, Helm 4 takes none")),
        (files(&["a: !!timestamp 2001-01-01\n"]), Refused("values have no timestamps, and Helm makes text of one")),
        (files(&["a: |\n  x\n   y\n  z"]), AsHelm4("a block that the text's end ends has a line feed since Helm 4")),
        (files(&["a: \"x\\/y\"\n"]), Taken(json)),
        (files(&["a: \"\\ud83d\\ude00\""]), Taken(json)),
        (files(&["a: x\u{2028}y\n"]), Taken(breaks)),
        (files(&["a: \"\u{85}\"\n"]), Other(breaks)),
    ]);
    cases
}

#[test]
fn files_mean_what_they_mean_to_helm() {
    compare(&picked_files());
}

fn picked_flags() -> Vec<(Case, Expected)> {
    let mut cases: Vec<(Case, Expected)> = Vec::new();
    for (index, text) in cases::FLAGS.iter().enumerate() {
        cases.push((flag("--set", text), AsHelm));
        // The grammar is the same and the scalars are not: a part of the texts is enough.
        if index % 3 == 0 {
            cases.push((flag("--set-string", text), AsHelm));
        }
    }
    let deep = |names: usize| vec!["a"; names].join(".") + "=1";
    cases.push((files(&[]).with("--set", &deep(31)), AsHelm));
    cases.push((files(&[]).with("--set", &deep(32)), AsHelm));
    for text in cases::JSON {
        cases.push((flag("--set-json", text), AsHelm));
    }
    let object = AsHelm4("--set-json takes a whole object since Helm 4");
    cases.extend(
        ["{\"m\":{\"q\":1}}", " {\"m\": null} ", "{}", "{\"a\":[1],\"d\":{\"m\":{\"x\":null}}}"]
            .map(|text| (flag("--set-json", text), object)),
    );
    let json = "Rust's JSON parser is stricter than Go's";
    cases.extend([
        (flag("--set-json", "x=1y=2"), Refused(json)),
        (flag("--set-json", "x=\"\\ud800\""), Refused(json)),
        (files(&[]).with("--set", &format!("a{}=1", "[0]".repeat(31))), Refused("indices in a row have a limit here")),
        (files(&[]).with("--set", "a[65536]=,b[65536]=,c[65536]=,d[65536]="), Refused("list items have a limit here")),
        (flag("--set-string", "x=1").with("--set", "x=2").with("--set-json", "x=3,y=3").with("--set", "y=2"), AsHelm),
        (flag("--set", "m.n.o=5").with("--set-json", "m={\"n\":{\"o\":7}}"), AsHelm),
        (flag("--set", "x[1]=1").with("--set-string", "x[0]=1").with("--set-json", "x=[5,6,7]"), AsHelm),
    ]);
    cases
}

#[test]
fn flags_mean_what_they_mean_to_helm() {
    compare(&picked_flags());
}

/// Numbers that look like chance and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn yaml(&mut self, depth: usize) -> String {
        let parts: Vec<String> =
            (0..self.below(4)).map(|_| if depth > 0 { self.yaml(depth - 1) } else { self.scalar() }).collect();
        match self.below(4) {
            0 => format!("[{}]", parts.join(", ")),
            1 | 2 if depth > 0 => {
                let entries = ["a", "b", "m", "x"].iter().zip(parts).map(|(key, value)| format!("{key}: {value}"));
                format!("{{{}}}", entries.collect::<Vec<_>>().join(", "))
            }
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> String {
        self.pick(&["1", "null", "yes", "text", "'1'", "1.5", "~", "0x10", "\"\"", "012", "1e3", "on"]).to_owned()
    }

    fn assignment(&mut self) -> String {
        let mut text = self.pick(&["a", "b", "m", "d", "d.m", "d.l", "a.m", "x\\.y", "", "n"]).to_owned();
        for _ in 0..self.below(3) {
            text += self.pick(&[".a", ".x", "[0]", "[1]", "[2].a", "[0].m", ".m[0]", "[1][0]", ".", "[", "]", "[x]"]);
        }
        text += self.pick(&["=", "=", "=", "=", "=", "=", "=", "", "=="]);
        text + self
            .pick(&["1", "null", "true", "x", "", "{a,b}", "{", "\\,", "007", "-3", "a b", "{1,null}", "0", "{}"])
    }

    fn case(&mut self) -> Case {
        let mut case = Case::default();
        for _ in 0..self.below(3) {
            let lines = ["a", "b", "m", "d"].map(|key| format!("{key}: {}\n", self.yaml(3)));
            let from = self.below(4);
            case.files.push(lines[from..].concat());
        }
        for _ in 0..=self.below(2) {
            let texts: Vec<String> = (0..=self.below(2)).map(|_| self.assignment()).collect();
            let flag = if self.below(4) == 0 { "--set-string" } else { "--set" };
            case.flags.push((flag, texts.join(",")));
        }
        case
    }
}

#[test]
fn generated_files_and_flags_mean_what_they_mean_to_helm() {
    let mut dice = Dice(0x2545_f491_4f6c_dd1d);
    let cases: Vec<(Case, Expected)> = (0..120).map(|_| (dice.case(), AsHelm)).collect();
    compare(&cases);
}

#[test]
fn standard_input_is_a_file_like_any_other() {
    let printers = Printers::new();
    let chart = printers.chart.to_str().unwrap();
    let mut command = program(&["values", "-o", "json", "--chart", chart, "-f", "-", "--set", "a=2"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"a: 1\nb: 1\n").unwrap();
    let ran = child.wait_with_output().unwrap();
    let values: Value = serde_json::from_slice(&ran.stdout).unwrap();
    assert_eq!((values["a"].as_i64(), values["b"].as_i64()), (Some(2), Some(1)));
}
