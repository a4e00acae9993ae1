//! Parse, run, say how it ended.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Parser;
use runtimeclass_installer::cli::Cli;
use runtimeclass_installer::cluster::Stop;
use runtimeclass_installer::commands::{self, Outcome};
use runtimeclass_installer::error::{Error, Exit};
use runtimeclass_installer::log::{Level, Log};
use runtimeclass_installer::{report, settings};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let log = settings::log(&cli.global);
    let termination_log = cli.command.run_args().and_then(|run| settings::termination_log(run.termination_log.clone()));
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(Exit::Failed, error.into()))
        .and_then(|runtime| runtime.block_on(until_signal(cli)))
        .and_then(print);
    let (message, code) = match &result {
        Ok(outcome) => (outcome.summary.clone(), ExitCode::from(outcome.code)),
        Err(error) => {
            log.line(Level::Error, &error.to_string());
            (format!("error: {error}"), ExitCode::from(error.exit as u8))
        }
    };
    if let Some(path) = termination_log {
        leave_message(&path, &message, log);
    }
    code
}

/// Runs the command. A first signal asks it to end where nothing is left half done, a second one ends it at once. As
/// PID 1 a process without a handler would not even notice.
async fn until_signal(cli: Cli) -> Result<Outcome, Error> {
    let failed = |error: std::io::Error| Error::new(Exit::Failed, error.into());
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let stop = Stop::default();
    let mut run = std::pin::pin!(commands::run(cli, stop.clone()));
    let (exit, name) = tokio::select! {
        result = &mut run => return result,
        _ = terminate.recv() => (Exit::Terminated, "SIGTERM"),
        _ = interrupt.recv() => (Exit::Interrupted, "SIGINT"),
    };
    stop.request();
    let ended = |error: Option<Error>| {
        let cause = error.map_or_else(|| anyhow!("a second signal came"), |error| anyhow!("{error}"));
        Error::new(exit, cause.context(format!("ended by {name}, another run goes on from here")))
    };
    tokio::select! {
        result = &mut run => result.map_err(|error| ended(Some(error))),
        _ = terminate.recv() => Err(ended(None)),
        _ = interrupt.recv() => Err(ended(None)),
    }
}

/// Prints the result. A reader that has seen enough (`| head`) is no failure.
fn print(outcome: Outcome) -> Result<Outcome, Error> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(outcome.text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new(Exit::Failed, anyhow::Error::from(error).context("cannot write the result to stdout")))
        }
        _ => Ok(outcome),
    }
}

fn leave_message(path: &Path, message: &str, log: Log) {
    if let Err(error) = std::fs::write(path, report::termination_message(message)) {
        log.warning(&format!("cannot write the termination log {}: {error}", path.display()));
    }
}
