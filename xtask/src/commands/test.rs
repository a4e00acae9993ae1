//! `cargo xtask test`

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Result, bail};
use xtask::testbed::assets::{Program, cache_dir, path};

use super::steps::{cargo, run, step, workspace};

/// The cargo-deny that this repository is checked with.
const CARGO_DENY: &str = "0.20.2";

/// Runs the checks, the quick ones first, and stops at the first that fails.
pub(crate) fn run_all() -> Result<()> {
    let start = Instant::now();
    step("rustfmt and clippy are there", || {
        component("fmt", "rustfmt")?;
        component("clippy", "clippy")
    })?;
    cargo_step("fmt --all --check", "")?;
    cargo_step("clippy --workspace --all-targets --locked -- -D warnings", "")?;
    let deny = cargo_deny()?;
    // Advisories need a network and change without the code: `cargo deny check advisories` is for a person, now and then.
    step("cargo deny --offline check bans licenses sources", || {
        run(Command::new(&deny).current_dir(workspace()?).args(["--offline", "check", "bans", "licenses", "sources"]))
    })?;
    cargo_step("doc --no-deps --workspace --locked", "-D warnings")?;
    step("programs of the test bed", || {
        for program in Program::ALL {
            println!("    {}", path(program)?.display());
        }
        Ok(())
    })?;
    cargo_step("test --workspace --locked", "")?;
    println!("\nall checks passed in {:.0} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Runs a cargo command that is spelt as a user would spell it.
fn cargo_step(words: &str, rustdoc_flags: &str) -> Result<()> {
    step(&format!("cargo {words}"), || {
        let mut command = cargo()?;
        command.args(words.split(' '));
        if !rustdoc_flags.is_empty() {
            command.env("RUSTDOCFLAGS", rustdoc_flags);
        }
        run(&mut command)
    })
}

fn component(subcommand: &str, component: &str) -> Result<()> {
    let status = cargo()?.args([subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if !status.success() {
        bail!("`cargo {subcommand}` is missing: rustup component add {component}");
    }
    Ok(())
}

/// cargo-deny, which is installed first where it is missing.
fn cargo_deny() -> Result<PathBuf> {
    let root = cache_dir()?.join("tools").join(format!("cargo-deny-{CARGO_DENY}"));
    let program = root.join("bin/cargo-deny");
    if !program.is_file() {
        step(&format!("cargo install cargo-deny {CARGO_DENY} (a few minutes the first time)"), || {
            let install =
                ["install", "cargo-deny", "--locked", "--debug", "--quiet", "--version", CARGO_DENY, "--root"];
            // Its build is none of this workspace's target folder's business.
            run(cargo()?.args(install).arg(&root).env_remove("CARGO_TARGET_DIR"))
        })?;
    }
    Ok(program)
}
