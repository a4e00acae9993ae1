//! A Helm chart archive, as far as this program goes with one: its name, version and default values are used, its
//! templates are not run.
//!
//! So a chart is taken only if its templates can be seen to make RuntimeClasses and nothing else. Pure: the bytes come
//! from [`crate::settings`], and nothing of an archive is ever written to a disk.

mod metadata;

use std::collections::BTreeMap;
use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::MultiGzDecoder;

use crate::values::{Node, Source, ValuesError, parse_yaml};

/// Limit for an archive that is unpacked, whatever its members' headers say.
const MAX_UNPACKED: usize = 16 * 1024 * 1024;
/// Limit for members of an archive.
const MAX_MEMBERS: usize = 1000;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const METADATA: &str = "Chart.yaml";
const VALUES: &str = "values.yaml";

/// A chart that this program can stand in for.
#[derive(Debug, Clone)]
pub struct Chart {
    /// `name` in Chart.yaml.
    pub name: String,
    /// `version` in Chart.yaml.
    pub version: String,
    /// `appVersion` in Chart.yaml.
    pub app_version: Option<String>,
    /// `kubeVersion` in Chart.yaml: the versions of Kubernetes that the chart is for.
    pub kube_version: Option<String>,
    /// Chart.yaml as Helm's records keep it: the keys that Helm knows, each of the type that Helm reads.
    pub metadata: serde_json::Value,
    /// The default values, from values.yaml.
    pub values: Node,
    /// Files of the folder `templates`, by their path in the chart.
    pub templates: Vec<(String, Vec<u8>)>,
}

/// A chart that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ChartError {
    /// The archive cannot be read.
    #[error("cannot use the chart {chart}: {reason}")]
    Unusable {
        /// The path as the user gave it.
        chart: String,
        /// Why.
        reason: String,
    },
    /// A file in it is wrong.
    #[error(transparent)]
    File(#[from] ValuesError),
}

impl Chart {
    /// Reads an archive: a gzipped tar as `helm package` makes it, or that in base64.
    ///
    /// # Errors
    ///
    /// What is no such archive, or more than the limits; and a chart whose templates make anything but RuntimeClasses.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, ChartError> {
        let unusable = |reason: String| ChartError::Unusable { chart: name.to_owned(), reason };
        let mut files = unpack(bytes).map_err(unusable)?;
        let mut text = |file: &str| match files.remove(file).map(String::from_utf8) {
            None => Ok(None),
            Some(Ok(text)) => {
                let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
                Ok(Some(Source::new(format!("{name}:{file}"), text)))
            }
            Some(Err(_)) => Err(unusable(format!("{file} is not UTF-8"))),
        };
        let metadata = text(METADATA)?.ok_or_else(|| unusable(format!("it has no {METADATA}")))?;
        let metadata = metadata::read(&parse_yaml(&metadata)?)?;
        let values = match text(VALUES)? {
            Some(source) => parse_yaml(&source)?,
            None => Node::empty_map(VALUES),
        };
        let optional = |key: &str| match &metadata[key] {
            serde_json::Value::String(text) if !text.is_empty() => Some(text.clone()),
            _ => None,
        };
        let required = |key: &str| optional(key).ok_or_else(|| unusable(format!("{METADATA} has no text as `{key}`")));
        match required("apiVersion")?.as_str() {
            "v1" | "v2" => {}
            other => return Err(unusable(format!("its apiVersion is {other:?}, expected v1 or v2"))),
        }
        if optional("type").as_deref() == Some("library") {
            return Err(unusable("it is a library and installs nothing".to_owned()));
        }
        let templates = templates(files).map_err(unusable)?;
        if !templates.is_empty() && values.get("runtimeClasses").is_none() {
            return Err(unusable(format!(
                "its {VALUES} has no `runtimeClasses`; templates are not run, so its classes are not known"
            )));
        }
        Ok(Self {
            name: required("name")?,
            version: required("version")?,
            app_version: optional("appVersion"),
            kube_version: optional("kubeVersion"),
            metadata,
            values,
            templates,
        })
    }
}

/// The files of an archive by their path in the chart, which is without the folder that the archive has around it.
fn unpack(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let decoded;
    let packed = if bytes.starts_with(&GZIP_MAGIC) {
        bytes
    } else {
        let text: Vec<u8> = bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        decoded = STANDARD.decode(text).ok().filter(|decoded| decoded.starts_with(&GZIP_MAGIC));
        decoded.as_deref().ok_or("it is neither a gzip archive nor one in base64")?
    };
    let mut unpacked = Vec::new();
    let limit = u64::try_from(MAX_UNPACKED).unwrap_or(u64::MAX) + 1;
    MultiGzDecoder::new(packed)
        .take(limit)
        .read_to_end(&mut unpacked)
        .map_err(|error| format!("it is not a whole gzip archive: {error}"))?;
    if unpacked.len() > MAX_UNPACKED {
        return Err(format!("unpacked it is larger than {} MiB", MAX_UNPACKED / 1024 / 1024));
    }
    members(&unpacked).map_err(|error| format!("it is not a whole tar archive: {error}"))?
}

fn members(unpacked: &[u8]) -> std::io::Result<Result<BTreeMap<String, Vec<u8>>, String>> {
    let mut files = BTreeMap::new();
    let mut archive = tar::Archive::new(unpacked);
    for (count, entry) in archive.entries()?.enumerate() {
        let mut entry = entry?;
        if count == MAX_MEMBERS {
            return Ok(Err(format!("it has more than {MAX_MEMBERS} members")));
        }
        // Links and folders hold nothing, and nothing is unpacked for them to point to.
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let path = path.strip_prefix("./").unwrap_or(&path);
        if path.starts_with('/') || path.contains('\\') || path.split('/').any(|part| part == ".." || part.is_empty()) {
            return Ok(Err(format!("its member {path:?} points out of the chart")));
        }
        let Some((_, path)) = path.split_once('/') else {
            return Ok(Err(format!("its member {path:?} is in no folder, expected CHART/{path}")));
        };
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        files.insert(path.to_owned(), bytes);
    }
    Ok(Ok(files))
}

/// The templates, if they make RuntimeClasses and nothing else.
fn templates(files: BTreeMap<String, Vec<u8>>) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut templates = Vec::new();
    for (path, bytes) in files {
        if path.starts_with("crds/") || path.starts_with("charts/") {
            return Err(format!("it has {path}, and this program installs nothing but RuntimeClasses"));
        }
        if path.starts_with("templates/") {
            check_template(&path, &String::from_utf8_lossy(&bytes))?;
            templates.push((path, bytes));
        }
    }
    Ok(templates)
}

/// What a template makes is told from its text: each `kind:` in it must be RuntimeClass, and there must be one unless it
/// is a partial or holds nothing.
fn check_template(path: &str, text: &str) -> Result<(), String> {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name == "NOTES.txt" {
        return Ok(());
    }
    let kinds = kinds(text);
    if let Some((line, kind)) = kinds.iter().find(|(_, kind)| kind != "RuntimeClass") {
        return Err(format!(
            "{path}:{line} makes the kind {kind:?}, and this program installs nothing but RuntimeClasses"
        ));
    }
    let is_empty = text.lines().all(|line| line.trim().is_empty() || line.trim_start().starts_with('#'));
    if kinds.is_empty() && !name.starts_with('_') && !is_empty {
        return Err(format!("{path} has no `kind: RuntimeClass`, so it cannot be told what it makes"));
    }
    Ok(())
}

/// Each `kind:` of a text, in block or flow style, with its line.
fn kinds(text: &str) -> Vec<(usize, String)> {
    const QUOTES: [char; 2] = ['"', '\''];
    let is_in_word = |c: char| c.is_alphanumeric() || "_-./$".contains(c);
    let mut kinds = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for (start, word) in line.match_indices("kind") {
            let before = line.get(..start).and_then(|before| before.chars().next_back());
            let after = line.get(start + word.len()..).unwrap_or_default();
            let Some(value) = after.strip_prefix(QUOTES).unwrap_or(after).trim_start().strip_prefix(':') else {
                continue;
            };
            if before.is_some_and(is_in_word) {
                continue;
            }
            let value = value.trim_start();
            let end = value.find([',', '}', '#']).unwrap_or(value.len());
            let value = value.get(..end).unwrap_or_default().trim().trim_matches(QUOTES);
            kinds.push((index + 1, value.to_owned()));
        }
    }
    kinds
}

#[cfg(test)]
mod tests;
