//! The commands, each a straight line.

use std::time::Instant;

use serde::Serialize;

use crate::cli::{Cli, Command, DataOutput, InstallArgs, Output, TemplateArgs, ValuesCommandArgs};
use crate::cluster::Cluster;
use crate::error::{Error, Exit};
use crate::execute::execute;
use crate::log::Log;
use crate::report::Report;
use crate::values::Values;
use crate::{manifest, ownership, plan, settings};

/// What a command leaves behind when all went well.
#[derive(Debug, Default)]
pub struct Outcome {
    /// For stdout.
    pub text: String,
    /// For the pod's status, in a line or a few.
    pub summary: String,
}

/// Runs the command that was typed.
///
/// # Errors
///
/// Whatever ended it, with its exit code.
pub async fn run(cli: Cli) -> Result<Outcome, Error> {
    let log = settings::log(&cli.global);
    match cli.command {
        Command::Install(args) => {
            let access = settings::access(&cli.global);
            install(args, access, log).await
        }
        Command::Template(args) => template(args, log),
        Command::Values(args) => values(&args, log),
    }
}

async fn install(
    args: InstallArgs,
    access: Result<crate::cluster::Access, settings::SettingsError>,
    log: Log,
) -> Result<Outcome, Error> {
    let started = Instant::now();
    let InstallArgs { release, values, templates, force_conflicts, timeout, output, termination_log: _ } = args;

    // Desired: all input is read and valid before the API server hears of it.
    let release = settings::release(release)?;
    let values = read_values(&values, log)?;
    let desired = settings::templates(&templates)?.render(&values, &release)?;

    // Observe. The release's record will be read here as well, at the same time.
    let cluster = Cluster::new(&access?, timeout.0, log).await?;
    let live = cluster.list_classes().await?;

    let plan = plan::plan(&desired, &live, &release);
    execute(&cluster, &plan, force_conflicts).await?;

    let report = Report::new(&release, &plan, cluster.requests(), started.elapsed());
    let text = match output {
        Output::Table => report.table(),
        Output::Json => json(&report)?,
        Output::Yaml => yaml(&report)?,
    };
    Ok(Outcome { text, summary: report.summary() })
}

fn template(args: TemplateArgs, log: Log) -> Result<Outcome, Error> {
    let TemplateArgs { release, values, templates } = args;
    let release = settings::release(release)?;
    let values = read_values(&values, log)?;
    let desired = settings::templates(&templates)?.render(&values, &release)?;
    let mut text = String::new();
    for mut class in desired {
        ownership::stamp(&mut class.object, &release);
        text.push_str("---\n");
        text.push_str(&manifest::document(&class.object).map_err(|error| Error::new(Exit::Failed, error.into()))?);
    }
    Ok(Outcome { text, ..Outcome::default() })
}

fn values(args: &ValuesCommandArgs, log: Log) -> Result<Outcome, Error> {
    let values = read_values(&args.values, log)?;
    let text = match args.output {
        DataOutput::Yaml => yaml(&values.merged)?,
        DataOutput::Json => json(&values.merged)?,
    };
    Ok(Outcome { text, ..Outcome::default() })
}

fn read_values(args: &crate::cli::ValuesArgs, log: Log) -> Result<Values, Error> {
    let values = Values::from_texts(&settings::values(args)?)?;
    values.unknown.iter().for_each(|line| log.info(line));
    Ok(values)
}

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string_pretty(value).map(|text| text + "\n").map_err(|error| Error::new(Exit::Failed, error.into()))
}

fn yaml(value: &impl Serialize) -> Result<String, Error> {
    serde_yaml::to_string(value).map_err(|error| Error::new(Exit::Failed, error.into()))
}
