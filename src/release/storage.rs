//! How records are kept in the cluster: Helm's two drivers, a Secret or a ConfigMap a revision.

use std::collections::BTreeMap;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::codec;
use super::record::{Record, Status};
use crate::names::{Release, ReleaseName};

/// Labels that Helm sets on the stored object, and that a user may not.
pub const RESERVED_LABELS: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];

/// Kind of object that holds records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Driver {
    /// Helm's default.
    #[default]
    Secret,
    /// `HELM_DRIVER=configmap`.
    ConfigMap,
}

impl Driver {
    /// The resource's name in a URL and in RBAC.
    #[must_use]
    pub fn resource(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::ConfigMap => "configmaps",
        }
    }

    /// The kind, as messages name it.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

/// Name of the object that holds a revision.
#[must_use]
pub fn object_name(release: &ReleaseName, revision: u32) -> String {
    format!("sh.helm.release.v1.{release}.v{revision}")
}

/// The selector by which Helm finds the records of a release.
#[must_use]
pub fn selector(release: &str) -> String {
    format!("owner=helm,name={release}")
}

/// A Secret or ConfigMap, as far as it holds a record.
#[derive(Debug, Clone, Deserialize)]
pub struct Object {
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    data: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
}

/// A record and the object that holds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// The revision.
    pub record: Record,
    /// Name of the object.
    pub object: String,
    /// The version that was read: a write is bound to it.
    pub resource_version: String,
    labels: BTreeMap<String, String>,
}

/// An object that should hold a record, and does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damaged {
    /// Name of the object.
    pub object: String,
    /// Revision by its label; 0 if that is missing too.
    pub revision: u32,
    /// The version that was read.
    pub resource_version: String,
    /// What is wrong with it.
    pub reason: String,
}

/// All records of a release, oldest first.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// Those that can be read.
    pub records: Vec<Stored>,
    /// Those that cannot.
    pub damaged: Vec<Damaged>,
}

impl History {
    /// Reads what the API server listed.
    #[must_use]
    pub fn read(driver: Driver, objects: Vec<Object>) -> Self {
        let mut history = Self::default();
        for object in objects {
            let revision = object.metadata.labels.get("version").and_then(|text| text.parse().ok()).unwrap_or(0);
            let Metadata { name, resource_version, .. } = object.metadata.clone();
            match read(driver, object) {
                Ok(stored) => history.records.push(stored),
                Err(error) => {
                    let reason = format!("{error:#}");
                    history.damaged.push(Damaged { object: name, revision, resource_version, reason });
                }
            }
        }
        history.records.sort_by_key(|stored| stored.record.revision());
        history.set_aside_unreadable();
        history.damaged.sort_by_key(|damaged| damaged.revision);
        history
    }

    /// What the release has by its records must be known: from the deployed revision on, each manifest has to be readable.
    fn set_aside_unreadable(&mut self) {
        let since = self.deployed().map_or(0, |stored| stored.record.revision());
        let (readable, unreadable): (Vec<_>, Vec<_>) = std::mem::take(&mut self.records)
            .into_iter()
            .partition(|stored| stored.record.revision() < since || stored.record.classes().is_ok());
        self.records = readable;
        self.damaged.extend(unreadable.into_iter().map(|stored| Damaged {
            revision: stored.record.revision(),
            reason: stored.record.classes().err().map(|error| error.to_string()).unwrap_or_default(),
            object: stored.object,
            resource_version: stored.resource_version,
        }));
    }

    /// The revision with the highest number.
    #[must_use]
    pub fn newest(&self) -> Option<&Stored> {
        self.records.last()
    }

    /// The revision that is deployed; the newest one, should there be several.
    #[must_use]
    pub fn deployed(&self) -> Option<&Stored> {
        self.records.iter().rev().find(|stored| stored.record.status() == Status::Deployed)
    }

    /// The damaged record that stands where the newest should, if that is so: what it said is not known.
    #[must_use]
    pub fn damaged_newest(&self) -> Option<&Damaged> {
        let newest = self.newest().map_or(0, |stored| stored.record.revision());
        self.damaged.last().filter(|damaged| damaged.revision > newest)
    }

    /// Number of the next revision. Gaps are left as they are.
    #[must_use]
    pub fn next_revision(&self) -> u32 {
        let newest = self.newest().map_or(0, |stored| stored.record.revision());
        newest.max(self.damaged.last().map_or(0, |damaged| damaged.revision)) + 1
    }

    /// A revision by its number.
    #[must_use]
    pub fn revision(&self, revision: u32) -> Option<&Stored> {
        self.records.iter().find(|stored| stored.record.revision() == revision)
    }
}

fn read(driver: Driver, object: Object) -> anyhow::Result<Stored> {
    let Object { metadata: Metadata { name, resource_version, labels }, mut data } = object;
    let data = data.remove("release").context("it has no key `release`")?;
    let stored = match driver {
        Driver::Secret => STANDARD.decode(data).context("it is not base64")?,
        Driver::ConfigMap => data.into_bytes(),
    };
    let mut own = labels.clone();
    own.retain(|key, _| !RESERVED_LABELS.contains(&key.as_str()));
    let record = Record::from_raw(codec::decode(&stored)?, own)?;
    Ok(Stored { record, object: name, resource_version, labels })
}

impl Stored {
    /// The object with another record in it, to replace the one that was read and no other.
    ///
    /// # Errors
    ///
    /// None in practice.
    pub fn replaced(&self, driver: Driver, record: &Record, now: jiff::Timestamp) -> anyhow::Result<Value> {
        let mut labels = self.labels.clone();
        labels.insert("status".to_owned(), record.status().word().to_owned());
        labels.insert("modifiedAt".to_owned(), now.as_second().to_string());
        object(driver, &self.object, &labels, Some(&self.resource_version), record)
    }
}

/// A new object that holds a record.
///
/// # Errors
///
/// None in practice.
pub fn new_object(driver: Driver, release: &Release, record: &Record, now: jiff::Timestamp) -> anyhow::Result<Value> {
    let mut labels = record.labels.clone();
    labels.extend([
        ("owner".to_owned(), "helm".to_owned()),
        ("name".to_owned(), release.name.to_string()),
        ("status".to_owned(), record.status().word().to_owned()),
        ("version".to_owned(), record.revision().to_string()),
        ("createdAt".to_owned(), now.as_second().to_string()),
    ]);
    object(driver, &object_name(&release.name, record.revision()), &labels, None, record)
}

fn object(
    driver: Driver,
    name: &str,
    labels: &BTreeMap<String, String>,
    resource_version: Option<&str>,
    record: &Record,
) -> anyhow::Result<Value> {
    let stored = codec::encode(record.raw())?;
    let data = match driver {
        Driver::Secret => STANDARD.encode(stored),
        Driver::ConfigMap => String::from_utf8(stored)?,
    };
    let mut object = json!({
        "apiVersion": "v1",
        "kind": driver.kind(),
        "metadata": {"name": name, "labels": labels},
        "data": {"release": data},
    });
    if driver == Driver::Secret {
        object["type"] = "helm.sh/release.v1".into();
    }
    if let Some(version) = resource_version {
        object["metadata"]["resourceVersion"] = version.into();
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: jiff::Timestamp = jiff::Timestamp::constant(1_800_000_000, 0);

    fn stored(driver: Driver, change: impl Fn(&mut Value)) -> History {
        let raw = json!({"name": "r", "version": 3, "manifest": "", "info": {"status": "deployed"}, "unknown": [1]});
        let labels = BTreeMap::from([("team".to_owned(), "infra".to_owned())]);
        let record = Record::from_raw(raw.as_object().cloned().unwrap_or_default(), labels).unwrap();
        let release = Release { name: "r".parse().unwrap(), namespace: "n".parse().unwrap() };
        let mut object = new_object(driver, &release, &record, TIME).unwrap();
        object["metadata"]["resourceVersion"] = json!("42");
        change(&mut object);
        History::read(driver, vec![serde_json::from_value(object).unwrap()])
    }

    #[test]
    fn a_record_is_read_from_what_was_written_with_both_drivers() {
        for driver in [Driver::Secret, Driver::ConfigMap] {
            let history = stored(driver, |_| {});
            let newest = history.newest().unwrap();
            assert_eq!((newest.object.as_str(), newest.record.revision()), ("sh.helm.release.v1.r.v3", 3));
            assert_eq!(newest.record.labels, BTreeMap::from([("team".to_owned(), "infra".to_owned())]));
        }
    }

    #[test]
    fn a_record_is_replaced_in_the_version_that_was_read_and_keeps_what_is_unknown() {
        let history = stored(Driver::Secret, |object| object["metadata"]["labels"]["theirs"] = json!("x"));
        let newest = history.newest().unwrap();
        let mut record = newest.record.clone();
        record.set_status(Status::Superseded, None);
        let object = newest.replaced(Driver::Secret, &record, TIME).unwrap();
        assert_eq!(object["metadata"]["resourceVersion"], "42");
        assert_eq!(object["type"], "helm.sh/release.v1");
        for (label, value) in [
            ("status", "superseded"),
            ("modifiedAt", "1800000000"),
            ("theirs", "x"),
            ("team", "infra"),
            ("version", "3"),
        ] {
            assert_eq!(object["metadata"]["labels"][label], value, "{label}");
        }
        let again = History::read(Driver::Secret, vec![serde_json::from_value(object).unwrap()]);
        assert_eq!(again.newest().unwrap().record.raw()["unknown"], json!([1]));
        assert_eq!(again.newest().unwrap().record.status(), Status::Superseded);
    }

    #[test]
    fn what_holds_no_record_is_set_aside_with_its_reason() {
        for (change, reason) in [
            (json!({"data": {}}), "it has no key `release`"),
            (json!({"data": {"release": "%"}}), "it is not base64"),
            (json!({"data": {"release": "JQ=="}}), "it is not base64"),
        ] {
            let history = stored(Driver::Secret, |object| object["data"] = change["data"].clone());
            assert!(history.damaged[0].reason.starts_with(reason), "{:?}", history.damaged);
            assert_eq!((history.damaged[0].revision, history.next_revision()), (3, 4));
            assert!(history.damaged_newest().is_some());
        }
    }
}
