//! Which requests a program made, told by the API server's audit log.
//!
//! The server writes an event when it has received a request, before it does anything about it. So once a client has its
//! answer, the event is in the file, and a count is exact without any waiting.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use super::users;

/// What the API server is to log: every request, twice, without bodies.
pub(super) const POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [ResponseStarted]
rules:
- level: Metadata
";

/// A point in time in the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark(u64);

/// A request that a user of the test bed sent. What a request does not have is an empty string.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`; for paths that are no
    /// objects the HTTP method in lower case.
    pub verb: String,
    /// The API group, empty for Kubernetes' core.
    pub group: String,
    /// The plural, as in `runtimeclasses`.
    pub resource: String,
    /// As in `status`.
    pub subresource: String,
    /// The object's namespace.
    pub namespace: String,
    /// The object's name. A create does not carry it in its path, and so has none here.
    pub name: String,
    /// Path and query.
    pub uri: String,
    /// The user's name.
    pub user: String,
    /// The program, as it calls itself.
    pub user_agent: String,
    /// The answer's status. `None` as long as the server has not logged the end of the request, which it does after it
    /// has sent the answer.
    pub code: Option<u16>,
}

impl Request {
    /// Whether the request changes what is stored. Dry runs and questions about access do not.
    #[must_use]
    pub fn is_write(&self) -> bool {
        let changes = ["create", "update", "patch", "delete", "deletecollection"].contains(&self.verb.as_str());
        let question = ["authorization.k8s.io", "authentication.k8s.io"].contains(&self.group.as_str());
        changes && !question && !self.uri.contains("dryRun=All")
    }
}

/// The end of the log.
pub(super) fn mark(log: &Path) -> Result<Mark> {
    let metadata = log.metadata().with_context(|| format!("cannot look at {}", log.display()))?;
    Ok(Mark(metadata.len()))
}

/// The counted requests after a mark, in the order in which the server received them.
pub(super) fn requests_since(log: &Path, mark: Mark) -> Result<Vec<Request>> {
    let mut text = Vec::new();
    let mut file = File::open(log).with_context(|| format!("cannot open {}", log.display()))?;
    file.seek(SeekFrom::Start(mark.0))?;
    file.read_to_end(&mut text)?;
    requests(&text)
}

fn requests(log: &[u8]) -> Result<Vec<Request>> {
    let mut requests: Vec<Request> = Vec::new();
    let mut by_id: HashMap<String, usize> = HashMap::new();
    for line in log.split_inclusive(|byte| *byte == b'\n') {
        if line.last() != Some(&b'\n') {
            continue; // An event that the server is just writing: its client has no answer yet.
        }
        let event: Value = serde_json::from_slice(line).context("a line of the audit log is not JSON")?;
        let Some(id) = event["auditID"].as_str() else { continue };
        if event["stage"] == "RequestReceived" {
            let request = request(&event);
            if users::is_counted(&request.user) {
                by_id.insert(id.to_owned(), requests.len());
                requests.push(request);
            }
        } else if let Some(&index) = by_id.get(id) {
            requests[index].code = event["responseStatus"]["code"].as_u64().and_then(|code| code.try_into().ok());
        }
    }
    Ok(requests)
}

fn request(event: &Value) -> Request {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &event["objectRef"];
    Request {
        verb: text(&event["verb"]),
        group: text(&object["apiGroup"]),
        resource: text(&object["resource"]),
        subresource: text(&object["subresource"]),
        namespace: text(&object["namespace"]),
        name: text(&object["name"]),
        uri: text(&event["requestURI"]),
        user: text(&event["user"]["username"]),
        user_agent: text(&event["userAgent"]),
        code: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"stage":"ResponseComplete","auditID":"0","verb":"get","user":{"username":"admin"},"responseStatus":{"code":200}}
{"stage":"RequestReceived","auditID":"1","verb":"list","requestURI":"/x","user":{"username":"admin"},"objectRef":{"resource":"runtimeclasses","apiGroup":"node.k8s.io"}}
{"stage":"RequestReceived","auditID":"2","verb":"get","requestURI":"/readyz","user":{"username":"testbed"}}
{"stage":"RequestReceived","auditID":"3","verb":"get","requestURI":"/y","user":{"username":"system:apiserver"}}
{"stage":"RequestReceived","auditID":"4","verb":"create","requestURI":"/z","user":{"username":"user-19"}}
{"stage":"ResponseComplete","auditID":"1","verb":"list","user":{"username":"admin"},"responseStatus":{"code":403}}
{"stage":"RequestReceived","auditID":"5","verb":"get","req"#;

    #[test]
    fn a_request_counts_when_it_was_received_after_the_mark_from_a_user_under_test() {
        let requests = requests(LOG.as_bytes()).unwrap();
        let seen: Vec<_> = requests.iter().map(|one| (one.verb.as_str(), one.uri.as_str(), one.code)).collect();
        assert_eq!(seen, [("list", "/x", Some(403)), ("create", "/z", None)]);
        assert_eq!((requests[0].resource.as_str(), requests[0].group.as_str()), ("runtimeclasses", "node.k8s.io"));
    }

    #[test]
    fn dry_runs_and_reviews_are_no_writes() {
        let request = |verb: &str, group: &str, uri: &str| Request {
            verb: verb.to_owned(),
            group: group.to_owned(),
            uri: uri.to_owned(),
            ..Request::default()
        };
        assert!(request("patch", "node.k8s.io", "/a").is_write());
        assert!(!request("patch", "node.k8s.io", "/a?dryRun=All&force=true").is_write());
        assert!(!request("create", "authorization.k8s.io", "/a").is_write());
        assert!(!request("list", "node.k8s.io", "/a").is_write());
    }
}
