//! Commands that need no cluster.

use super::{Outcome, json, read_values, yaml};
use crate::cli::{DataOutput, TemplateArgs, ValuesCommandArgs};
use crate::error::Error;
use crate::log::Log;
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
