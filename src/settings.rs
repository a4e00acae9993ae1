//! The only reader of files, standard input and the environment: from what was typed to what it means.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::chart::Chart;
use crate::cli::{GlobalArgs, ReleaseArgs, TemplatesArgs, ValuesArgs};
use crate::cluster::Access;
use crate::error::Error;
use crate::log::{Level, Log};
use crate::names::{self, InvalidName, Release, ReleaseName};
use crate::release::RESERVED_LABELS;
use crate::render::{RenderError, Templates};
use crate::values::{Layers, Source, Strings};

/// More text than that is no values file: it is refused rather than read.
const LONGEST_FILE: u64 = 8 * 1024 * 1024;
const VALUES_DIR: &str = "/config";
const CHART_DIR: &str = "/chart";
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Something that the user named and that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file or folder that cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The path as the user gave it.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Neither flag nor surroundings say where the cluster is.
    #[error("no cluster to talk to: give --kubeconfig, set KUBECONFIG, or run in a pod")]
    NoCluster,
    /// A label of the release that cannot be one.
    #[error("the label {given:?} cannot be used: {reason}")]
    Label {
        /// As it was given.
        given: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A built-in default that is not valid.
    #[error(transparent)]
    Name(#[from] InvalidName),
}

fn unreadable(path: &Path, source: std::io::Error) -> SettingsError {
    SettingsError::Unreadable { path: path.display().to_string(), source }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn in_pod() -> bool {
    environment("KUBERNETES_SERVICE_HOST").is_some()
}

/// What is logged, and how.
#[must_use]
pub fn log(args: &GlobalArgs) -> Log {
    let level = match (args.verbose, args.quiet) {
        (true, _) => Level::Debug,
        (_, true) => Level::Error,
        _ => Level::Info,
    };
    Log { level, format: args.log_format }
}

/// The release that owns the classes.
///
/// # Errors
///
/// None with the built-in defaults.
pub fn release(args: ReleaseArgs) -> Result<Release, SettingsError> {
    let ReleaseArgs { release, namespace } = args;
    Ok(Release {
        name: release.0.map_or_else(|| "runtimeclasses".parse(), Ok)?,
        namespace: namespace.0.map_or_else(|| "kube-system".parse(), Ok)?,
    })
}

/// How to reach the API server. A kubeconfig that is named is used or is an error; it is never passed over in silence.
///
/// # Errors
///
/// [`SettingsError::NoCluster`] where nothing says where it is.
pub fn access(args: &GlobalArgs) -> Result<Access, SettingsError> {
    let context = args.context.clone();
    if let Some(file) = &args.kubeconfig {
        return Ok(Access::Kubeconfig { files: vec![file.clone()], context });
    }
    if let Some(list) = environment("KUBECONFIG") {
        let files = std::env::split_paths(&list).filter(|path| !path.as_os_str().is_empty()).collect();
        return Ok(Access::Kubeconfig { files, context });
    }
    if in_pod() && context.is_none() {
        return Ok(Access::InCluster);
    }
    let home = environment("HOME").map(|home| PathBuf::from(home).join(".kube/config"));
    match home.filter(|file| file.exists()) {
        Some(file) => Ok(Access::Kubeconfig { files: vec![file], context }),
        None => Err(SettingsError::NoCluster),
    }
}

/// The layers of the user's values.
///
/// # Errors
///
/// A file or folder that cannot be read, and a chart that cannot be used.
pub fn layers(args: &ValuesArgs) -> Result<Layers, Error> {
    let ValuesArgs { chart, values_dir, files, set_json, set, set_string } = args;
    let chart = chart.clone().or_else(mounted_chart).map(|path| -> Result<Chart, Error> {
        let bytes = bytes(&path)?;
        Ok(Chart::read(&path.display().to_string(), &bytes)?)
    });
    let mut sources: Vec<Arc<Source>> = match values_dir {
        Some(dir) => folder(dir, &["yaml"])?.into_values().collect(),
        None if Path::new(VALUES_DIR).is_dir() => folder(Path::new(VALUES_DIR), &["yaml"])?.into_values().collect(),
        None => Vec::new(),
    };
    for file in files {
        sources.push(text(file)?);
    }
    Ok(Layers {
        chart: chart.transpose()?,
        files: sources,
        set_json: set_json.clone(),
        set: set.clone(),
        set_string: set_string.clone(),
    })
}

/// The templates: the user's, or the built-in one.
///
/// # Errors
///
/// As [`Templates::new`], and files that cannot be read.
pub fn templates(args: &TemplatesArgs) -> Result<Templates, Error> {
    let templates: Result<Templates, RenderError> = match &args.templates {
        Some(dir) => Templates::new(folder(dir, &["yaml", "yml", "tpl"])?),
        None => Templates::built_in(),
    };
    Ok(templates?)
}

/// Labels of the release, each given as `K=V`.
///
/// # Errors
///
/// What is not `K=V`, what Kubernetes would refuse, and the names that Helm keeps for itself.
pub fn labels(given: &[String]) -> Result<Strings, SettingsError> {
    let mut labels = Strings::new();
    for text in given.iter().filter(|text| !text.is_empty()) {
        let wrong = |reason: String| SettingsError::Label { given: text.clone(), reason };
        let (key, value) = text.split_once('=').ok_or_else(|| wrong("it must be K=V".to_owned()))?;
        names::check_qualified_name(key).map_err(|error| wrong(error.to_string()))?;
        names::check_label_value(value).map_err(|error| wrong(error.to_string()))?;
        if RESERVED_LABELS.contains(&key) {
            return Err(wrong(format!("Helm keeps the names {} for itself", RESERVED_LABELS.join(", "))));
        }
        labels.insert(key.to_owned(), value.to_owned());
    }
    Ok(labels)
}

/// Whether stdout takes colours: a terminal, and nobody asked for none (<https://no-color.org>).
#[must_use]
pub fn colour() -> bool {
    std::io::stdout().is_terminal()
        && environment("NO_COLOR").is_none()
        && environment("TERM").is_none_or(|term| term != "dumb")
}

/// Where the outcome goes, for `kubectl describe pod`.
#[must_use]
pub fn termination_log(given: Option<PathBuf>) -> Option<PathBuf> {
    given.or_else(|| (in_pod() && Path::new(TERMINATION_LOG).exists()).then(|| PathBuf::from(TERMINATION_LOG)))
}

/// The files of a folder with one of the extensions, by name. A ConfigMap's volume has links, and folders that are its
/// own affair.
fn folder(dir: &Path, extensions: &[&str]) -> Result<BTreeMap<String, Arc<Source>>, SettingsError> {
    let mut sources = BTreeMap::new();
    for entry in std::fs::read_dir(dir).map_err(|error| unreadable(dir, error))? {
        let path = entry.map_err(|error| unreadable(dir, error))?.path();
        let wanted = path.extension().and_then(|extension| extension.to_str()).is_some_and(|e| extensions.contains(&e));
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if wanted && !hidden && !path.is_dir() {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            sources.insert(name, text(&path)?);
        }
    }
    Ok(sources)
}

/// The chart that helm-controller mounts for the release that it names in the environment.
fn mounted_chart() -> Option<PathBuf> {
    let name: ReleaseName = environment("NAME")?.parse().ok()?;
    Some(Path::new(CHART_DIR).join(format!("{name}.tgz.base64"))).filter(|path| path.exists())
}

fn bytes(path: &Path) -> Result<Vec<u8>, SettingsError> {
    let mut bytes = Vec::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().lock().take(LONGEST_FILE + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(LONGEST_FILE + 1).read_to_end(&mut bytes))
    };
    let length = read.map_err(|error| unreadable(path, error))?;
    if u64::try_from(length).is_ok_and(|length| length > LONGEST_FILE) {
        let limit = format!("it is longer than {} MiB", LONGEST_FILE / 1024 / 1024);
        return Err(unreadable(path, std::io::Error::other(limit)));
    }
    Ok(bytes)
}

fn text(path: &Path) -> Result<Arc<Source>, SettingsError> {
    let not_text = |_| unreadable(path, std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not UTF-8"));
    let text = String::from_utf8(bytes(path)?).map_err(not_text)?;
    let name = if path.as_os_str() == "-" { "standard input".to_owned() } else { path.display().to_string() };
    Ok(Source::new(name, text.strip_prefix('\u{feff}').unwrap_or(&text)))
}
