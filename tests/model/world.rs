//! A cluster in memory with the API server's rules for concurrent writes, as far as the program relies on them: versions,
//! preconditions, names that are taken, and handlers that cannot change. Each rule is tested against the real API server
//! in `tests/it`.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use kube::core::Status;
use kube::core::response::{StatusCause, StatusDetails};
use runtimeclass_installer::cluster::ClusterError;
use runtimeclass_installer::release::{Driver, History, Object};
use serde_json::{Value, json};

/// A request. Each is carried out as a whole at one moment.
#[derive(Debug, Clone)]
pub enum Op {
    ListClasses,
    Apply { class: RuntimeClass, over: Option<(Option<String>, Option<String>)> },
    CreateClass(RuntimeClass),
    DeleteClass { name: String, uid: Option<String>, version: Option<String> },
    Disown { name: String, version: Option<String> },
    ListRecords(String),
    CreateRecord(Value),
    ReplaceRecord(Value),
    DeleteRecord { name: String, version: String },
}

impl Op {
    pub fn writes(&self) -> bool {
        !matches!(self, Self::ListClasses | Self::ListRecords(_))
    }
}

/// What the API server says to a request.
#[derive(Debug, Clone)]
pub enum Answer {
    Classes(Vec<RuntimeClass>),
    Class(Box<RuntimeClass>),
    Records(Vec<Value>),
    Record(Value),
    Nothing,
    Refused(u16, &'static str),
}

impl Answer {
    /// As [`runtimeclass_installer::cluster::Cluster`] gives it to the caller.
    pub fn error(code: u16, field: &str) -> ClusterError {
        let cause = StatusCause {
            reason: "FieldValueInvalid".to_owned(),
            message: "field is immutable".to_owned(),
            field: field.to_owned(),
        };
        let details = StatusDetails {
            name: String::new(),
            group: String::new(),
            kind: String::new(),
            uid: String::new(),
            causes: vec![cause],
            retry_after_seconds: 0,
        };
        let status = Status { code, details: Some(details), ..Status::default() };
        ClusterError::Refused { operation: "do this".to_owned(), status: Box::new(status) }
    }
}

/// What is in the cluster.
#[derive(Debug, Default, Clone)]
pub struct World {
    pub classes: BTreeMap<String, RuntimeClass>,
    pub records: BTreeMap<String, Value>,
    /// Counts the versions of each name, so that none comes twice.
    versions: BTreeMap<String, u32>,
}

impl World {
    pub fn carry_out(&mut self, op: &Op) -> Answer {
        match op {
            Op::ListClasses => Answer::Classes(self.classes.values().cloned().collect()),
            Op::Apply { class, over } => self.apply(class, over.as_ref()),
            Op::CreateClass(class) if self.classes.contains_key(&name(class)) => Answer::Refused(409, ""),
            Op::CreateClass(class) => self.put(class.clone()),
            Op::DeleteClass { name, uid, version } => match self.classes.get(name) {
                None => Answer::Refused(404, ""),
                Some(live) if live.metadata.uid != *uid || live.metadata.resource_version != *version => {
                    Answer::Refused(409, "")
                }
                Some(_) => {
                    self.classes.remove(name);
                    Answer::Nothing
                }
            },
            Op::Disown { name, version } => match self.classes.get(name).cloned() {
                None => Answer::Refused(404, ""),
                Some(live) if live.metadata.resource_version != *version => Answer::Refused(409, ""),
                Some(mut live) => {
                    live.metadata.labels = None;
                    live.metadata.annotations = None;
                    self.put(live)
                }
            },
            Op::ListRecords(release) => {
                let of = |record: &&Value| record["metadata"]["labels"]["name"] == json!(release);
                Answer::Records(self.records.values().filter(of).cloned().collect())
            }
            Op::CreateRecord(object) if self.records.contains_key(&record_name(object)) => Answer::Refused(409, ""),
            Op::CreateRecord(object) => self.put_record(object.clone()),
            Op::ReplaceRecord(object) => match self.records.get(&record_name(object)) {
                None => Answer::Refused(404, ""),
                Some(live) if record_version(live) != record_version(object) => Answer::Refused(409, ""),
                Some(_) => self.put_record(object.clone()),
            },
            Op::DeleteRecord { name, version } => match self.records.get(name) {
                None => Answer::Refused(404, ""),
                Some(live) if record_version(live) != version => Answer::Refused(409, ""),
                Some(_) => {
                    self.records.remove(name);
                    Answer::Nothing
                }
            },
        }
    }

    fn apply(&mut self, class: &RuntimeClass, over: Option<&(Option<String>, Option<String>)>) -> Answer {
        let mut class = class.clone();
        class.metadata.managed_fields = Some(vec![entry(&class)]);
        match (self.classes.get(&name(&class)), over) {
            (None, Some(_)) => Answer::Refused(409, ""),
            (None, None) => self.put(class),
            (Some(live), Some((uid, version)))
                if live.metadata.uid != *uid || live.metadata.resource_version != *version =>
            {
                Answer::Refused(409, "")
            }
            (Some(live), _) if live.handler != class.handler => Answer::Refused(422, "handler"),
            (Some(live), _) => {
                class.metadata.uid.clone_from(&live.metadata.uid);
                class.metadata.resource_version.clone_from(&live.metadata.resource_version);
                if *live == class { Answer::Class(Box::new(class)) } else { self.put(class) }
            }
        }
    }

    fn next(&mut self, name: &str) -> String {
        let version = self.versions.entry(name.to_owned()).or_default();
        *version += 1;
        version.to_string()
    }

    fn put(&mut self, mut class: RuntimeClass) -> Answer {
        let name = name(&class);
        let version = self.next(&name);
        if !self.classes.contains_key(&name) {
            class.metadata.uid = Some(format!("{name}-{version}"));
        }
        class.metadata.resource_version = Some(version);
        self.classes.insert(name, class.clone());
        Answer::Class(Box::new(class))
    }

    fn put_record(&mut self, mut object: Value) -> Answer {
        let name = record_name(&object);
        object["metadata"]["resourceVersion"] = json!(self.next(&name));
        self.records.insert(name, object.clone());
        Answer::Record(object)
    }

    /// The release's records.
    pub fn history(&self) -> History {
        let object = |record: &Value| serde_json::from_value::<Object>(record.clone()).unwrap();
        History::read(Driver::ConfigMap, self.records.values().map(object).collect())
    }

    /// Handlers by class.
    pub fn handlers(&self) -> BTreeMap<&str, &str> {
        self.classes.iter().map(|(name, class)| (name.as_str(), class.handler.as_str())).collect()
    }

    /// What tells this world from another one.
    pub fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        for class in self.classes.values() {
            hash_class(class, &mut hasher);
        }
        for record in self.records.values() {
            hash_record(record, &mut hasher);
        }
        self.versions.hash(&mut hasher);
        hasher.finish()
    }
}

/// What tells one answer from another.
pub fn fingerprint(answer: &Answer) -> u64 {
    let mut hasher = DefaultHasher::new();
    match answer {
        Answer::Classes(classes) => classes.iter().for_each(|class| hash_class(class, &mut hasher)),
        Answer::Class(class) => hash_class(class, &mut hasher),
        Answer::Records(records) => records.iter().for_each(|record| hash_record(record, &mut hasher)),
        Answer::Record(record) => hash_record(record, &mut hasher),
        Answer::Nothing => 0.hash(&mut hasher),
        Answer::Refused(code, _) => code.hash(&mut hasher),
    }
    hasher.finish()
}

fn hash_class(class: &RuntimeClass, hasher: &mut DefaultHasher) {
    let metadata = &class.metadata;
    (&metadata.name, &metadata.uid, &metadata.resource_version, &class.handler).hash(hasher);
    (&metadata.labels, &metadata.annotations).hash(hasher);
}

fn hash_record(record: &Value, hasher: &mut DefaultHasher) {
    (record_name(record), record_version(record), record["data"]["release"].as_str()).hash(hasher);
}

pub fn name(class: &RuntimeClass) -> String {
    class.metadata.name.clone().unwrap()
}

pub fn record_name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap().to_owned()
}

fn record_version(object: &Value) -> &str {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default()
}

/// Our field manager's entry after an apply.
fn entry(class: &RuntimeClass) -> ManagedFieldsEntry {
    let keys = |map: &Option<BTreeMap<String, String>>| -> Value {
        map.iter().flatten().map(|(key, _)| (format!("f:{key}"), json!({}))).collect::<serde_json::Map<_, _>>().into()
    };
    let (labels, annotations) = (keys(&class.metadata.labels), keys(&class.metadata.annotations));
    ManagedFieldsEntry {
        manager: Some("helm".to_owned()),
        operation: Some("Apply".to_owned()),
        fields_v1: Some(FieldsV1(
            json!({"f:handler": {}, "f:metadata": {"f:labels": labels, "f:annotations": annotations}}),
        )),
        ..ManagedFieldsEntry::default()
    }
}
