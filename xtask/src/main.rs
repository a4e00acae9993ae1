//! The commands of the repository: `cargo xtask COMMAND`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "printing is what these commands are for")]

mod commands;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use commands::hold::End;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The commands of the repository")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show the main job on a control plane of its own: install, lose the metadata, install again
    Demo,
    /// Run every check that a change must pass, but for those that need a node
    Test,
    /// Build the foreign programs that the tests use, and print where they are
    Assets,
    /// Feed the readers of values, flags, charts and templates by chance
    Fuzz {
        /// Minutes for each target
        #[arg(long, default_value_t = 10, value_name = "N")]
        minutes: u64,
        /// One target alone: yaml, set, charts or templates
        #[arg(value_parser = commands::fuzz::TARGETS)]
        target: Option<String>,
    },
    /// Start a control plane, print its processes and folder, and end in the given way (for the test bed's own tests)
    #[command(hide = true)]
    Hold { end: End },
}

fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Demo => commands::demo::run_demo(),
        Command::Test => commands::test::run_all(),
        Command::Assets => commands::assets::run(),
        Command::Fuzz { minutes, target } => commands::fuzz::run_targets(minutes, target.as_deref()),
        Command::Hold { end } => commands::hold::run(end),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
