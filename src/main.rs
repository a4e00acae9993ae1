//! Parse, run, say how it ended.

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::anyhow;
use clap::Parser;
use runtimeclass_installer::cli::{Cli, Command};
use runtimeclass_installer::commands::{self, Outcome};
use runtimeclass_installer::error::{Error, Exit};
use runtimeclass_installer::log::{Level, Log};
use runtimeclass_installer::{report, settings};
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let log = settings::log(&cli.global);
    let termination_log = match &cli.command {
        Command::Install(args) => settings::termination_log(args.termination_log.clone()),
        Command::Template(_) | Command::Values(_) => None,
    };
    let result = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Error::new(Exit::Failed, error.into()))
        .and_then(|runtime| runtime.block_on(until_signal(cli)))
        .and_then(print);
    let (message, code) = match &result {
        Ok(summary) => (summary.clone(), ExitCode::SUCCESS),
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

/// Runs the command, or stops it where it is: what was written stays, nothing new is started, and the next run goes on
/// from there. As PID 1 a process without a handler would not even notice the signal.
async fn until_signal(cli: Cli) -> Result<Outcome, Error> {
    let failed = |error: std::io::Error| Error::new(Exit::Failed, error.into());
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let ended = |exit, name| Err(Error::new(exit, anyhow!("ended by {name}, another run goes on from here")));
    tokio::select! {
        result = commands::run(cli) => result,
        _ = terminate.recv() => ended(Exit::Terminated, "SIGTERM"),
        _ = interrupt.recv() => ended(Exit::Interrupted, "SIGINT"),
    }
}

/// Prints the result and gives back its summary. A reader that has seen enough (`| head`) is no failure.
fn print(outcome: Outcome) -> Result<String, Error> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(outcome.text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::new(Exit::Failed, anyhow::Error::from(error).context("cannot write the result to stdout")))
        }
        _ => Ok(outcome.summary),
    }
}

fn leave_message(path: &Path, message: &str, log: Log) {
    if let Err(error) = std::fs::write(path, report::termination_message(message)) {
        log.warning(&format!("cannot write the termination log {}: {error}", path.display()));
    }
}
