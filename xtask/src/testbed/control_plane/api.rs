//! Requests to the API server on behalf of a test. They block, and they are never among the counted ones.

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::ControlPlane;
use crate::testbed::http_client::HttpClient;

const JSON: &str = "application/json";

impl ControlPlane {
    /// Sends a request with an optional body, given as content type and JSON, and returns status and answer. The path may
    /// have a query. Not to be called from asynchronous code.
    ///
    /// # Errors
    /// When there is no answer. An answer with an error's status is an answer.
    pub fn request(&self, method: &str, path: &str, body: Option<(&str, &Value)>) -> Result<(u16, Value)> {
        self.http.request(method, path, body)
    }

    /// Sends a request as another user, over a connection of its own. It counts like one of a program under test.
    ///
    /// # Errors
    /// See [`Self::request`].
    pub fn request_as(
        &self,
        user: &str,
        method: &str,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<(u16, Value)> {
        HttpClient::new(self.kubeconfig_for(user))?.request(method, path, body)
    }

    /// Reads an object or a list.
    ///
    /// # Errors
    /// For any status but success, as with all that follow.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.succeed("GET", path, None)
    }

    /// Reads an object that may not exist.
    ///
    /// # Errors
    /// For any status but success and 404.
    pub fn find(&self, path: &str) -> Result<Option<Value>> {
        match self.request("GET", path, None)? {
            (200, value) => Ok(Some(value)),
            (404, _) => Ok(None),
            (code, answer) => bail!("GET {path}: {code} {answer}"),
        }
    }

    /// Reads the objects of a list.
    ///
    /// # Errors
    /// See [`Self::get`].
    pub fn list(&self, path: &str) -> Result<Vec<Value>> {
        match self.get(path)?["items"].take() {
            Value::Array(items) => Ok(items),
            _ => bail!("GET {path}: not a list"),
        }
    }

    /// Creates an object in the collection at `path`.
    ///
    /// # Errors
    /// See [`Self::get`].
    pub fn create(&self, path: &str, object: &Value) -> Result<Value> {
        self.succeed("POST", path, Some((JSON, object)))
    }

    /// Replaces an object.
    ///
    /// # Errors
    /// See [`Self::get`].
    pub fn replace(&self, path: &str, object: &Value) -> Result<Value> {
        self.succeed("PUT", path, Some((JSON, object)))
    }

    /// Changes an object by a JSON patch (RFC 6902).
    ///
    /// # Errors
    /// See [`Self::get`].
    pub fn json_patch(&self, path: &str, changes: &Value) -> Result<Value> {
        self.succeed("PATCH", path, Some(("application/json-patch+json", changes)))
    }

    /// Changes an object by a merge patch (RFC 7386).
    ///
    /// # Errors
    /// See [`Self::get`].
    pub fn merge_patch(&self, path: &str, changes: &Value) -> Result<Value> {
        self.succeed("PATCH", path, Some(("application/merge-patch+json", changes)))
    }

    /// Applies an object as a field manager, on the server's side.
    ///
    /// # Errors
    /// See [`Self::get`].
    pub fn apply(&self, path: &str, manager: &str, force: bool, object: &Value) -> Result<Value> {
        let path = format!("{path}?fieldManager={manager}&force={force}");
        self.succeed("PATCH", &path, Some(("application/apply-patch+yaml", object)))
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// See [`Self::get`].
    pub fn delete(&self, path: &str) -> Result<()> {
        self.succeed("DELETE", path, None).map(drop)
    }

    /// Reads several paths at once. Any status is an answer.
    pub(in crate::testbed) fn get_all(&self, paths: &[String]) -> Result<Vec<Value>> {
        Ok(self.http.get_all(paths)?.into_iter().map(|(_, answer)| answer).collect())
    }

    fn succeed(&self, method: &str, path: &str, body: Option<(&str, &Value)>) -> Result<Value> {
        let (code, answer) = self.request(method, path, body)?;
        if (200..300).contains(&code) {
            return Ok(answer);
        }
        let message = answer["message"].as_str().or_else(|| answer.as_str()).context("an answer without a message")?;
        bail!("{method} {path}: {code} {message}")
    }
}
