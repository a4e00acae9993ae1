//! RuntimeClasses as `kubectl get` prints them, with their owner.

use std::fmt::Write;

use anyhow::{Context, Result};
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;

/// One class. Two are equal when they were made at the same time, too: a repair does not make a class anew.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) handler: String,
    pub(super) managed_by: String,
    pub(super) release: String,
    created: Timestamp,
}

impl Row {
    pub(super) fn of(class: &Value) -> Result<Self> {
        let metadata = &class["metadata"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let annotation = |name: &str| text(&metadata["annotations"][format!("meta.helm.sh/release-{name}")]);
        let release = [annotation("namespace"), annotation("name")].join("/");
        Ok(Self {
            name: text(&metadata["name"]),
            handler: text(&class["handler"]),
            managed_by: text(&metadata["labels"]["app.kubernetes.io/managed-by"]),
            release: if release == "/" { String::new() } else { release },
            created: text(&metadata["creationTimestamp"]).parse().context("a class without a creation time")?,
        })
    }
}

pub(super) fn render(rows: &[Row]) -> String {
    let now = Timestamp::now();
    let age = |row: &Row| format!("{}s", (now.as_second() - row.created.as_second()).max(0));
    let dash = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
    let mut lines = vec![["NAME", "HANDLER", "MANAGED-BY", "RELEASE", "AGE"].map(str::to_owned)];
    lines.extend(
        rows.iter()
            .map(|row| [row.name.clone(), row.handler.clone(), dash(&row.managed_by), dash(&row.release), age(row)]),
    );
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or_default();
    let widths = [width(0), width(1), width(2), width(3), width(4)];
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", cells.join("   ").trim_end());
    }
    text
}
