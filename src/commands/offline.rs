//! Commands that need no cluster.

use super::{Outcome, json, read_values, yaml};
use crate::cli::{DataOutput, Output, PresetsArgs, TemplateArgs, ValuesCommandArgs};
use crate::error::Error;
use crate::log::Log;
use crate::report::table;
use crate::values::{self, Class, Preset};
use crate::{manifest, ownership, settings};

pub(super) fn template(args: TemplateArgs, log: Log) -> Result<Outcome, Error> {
    let TemplateArgs { release, values, templates } = args;
    let release = settings::release(release)?;
    let mut values = read_values(&values, log)?;
    if let Some(handler) = &templates.stub_handler {
        values.stub(handler);
    }
    let mut desired = settings::templates(&templates)?.render(&values, &release)?;
    let documents = desired.iter_mut().map(|class| {
        ownership::stamp(&mut class.object, &release);
        format!("---\n{}", manifest::document(&class.object))
    });
    Ok(Outcome { text: documents.collect(), ..Outcome::default() })
}

pub(super) fn values(args: &ValuesCommandArgs, log: Log) -> Result<Outcome, Error> {
    let values = read_values(&args.values, log)?;
    let text = match args.output {
        DataOutput::Yaml => yaml(&values.merged)?,
        DataOutput::Json => json(&values.merged)?,
    };
    Ok(Outcome { text, ..Outcome::default() })
}

pub(super) fn presets(args: &PresetsArgs) -> Result<Outcome, Error> {
    let presets = values::presets()?;
    let data =
        || presets.iter().map(|preset| (preset.name.clone(), preset.data.clone())).collect::<serde_json::Map<_, _>>();
    let text = match args.output {
        Output::Table => presets.iter().map(preset).collect::<Vec<_>>().join("\n"),
        Output::Json => json(&data())?,
        Output::Yaml => yaml(&data())?,
    };
    Ok(Outcome { text, ..Outcome::default() })
}

fn preset(preset: &Preset) -> String {
    let Preset { name, description, source, classes, data: _ } = preset;
    let rows = classes.iter().map(|Class { name, fields }| {
        let pairs = |pairs: Vec<(String, String)>| {
            pairs.into_iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(", ")
        };
        let overhead =
            fields.overhead.pod_fixed.clone().into_iter().map(|(key, amount)| (key, amount.into())).collect();
        let nodes = fields.scheduling.node_selector.clone().into_iter().collect();
        let tolerations = match fields.scheduling.tolerations.len() {
            0 => String::new(),
            count => count.to_string(),
        };
        [name.to_string(), fields.handler.to_string(), pairs(overhead), pairs(nodes), tolerations]
    });
    let table = table(["NAME", "HANDLER", "OVERHEAD", "NODES", "TOLERATIONS"], rows);
    format!("{name}: {description}\n{source}\n{table}")
}
