//! `cargo xtask hold`: what the test of the guard starts and kills.

use std::io::{self, Read};

use anyhow::Result;
use clap::ValueEnum;
use xtask::testbed::{ControlPlane, cluster};

/// How the process ends.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum End {
    /// Like a program: once its input ends, by dropping the control plane.
    Drop,
    /// By a panic that holds the control plane.
    Panic,
    /// Like a test process: the control plane is shared and never dropped.
    Exit,
    /// By a signal to itself, without any unwinding.
    Abort,
}

/// Prints `PID ... DIR`, and ends once the input has ended.
pub(crate) fn run(end: End) -> Result<()> {
    if matches!(end, End::Exit) {
        return announce(&cluster());
    }
    let plane = ControlPlane::start()?;
    announce(&plane)?;
    match end {
        End::Drop | End::Exit => Ok(()),
        #[allow(clippy::panic, reason = "the test wants to see one")]
        End::Panic => panic!("as asked"),
        End::Abort => std::process::abort(),
    }
}

fn announce(plane: &ControlPlane) -> Result<()> {
    let pids: Vec<_> = plane.pids().iter().map(u32::to_string).collect();
    println!("{} {}", pids.join(" "), plane.dir().display());
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
