//! `cargo xtask assets`

use anyhow::Result;
use xtask::testbed::assets::{Program, path};

/// Builds what is missing.
pub(crate) fn run() -> Result<()> {
    for program in Program::ALL {
        println!("{} {}: {}", program.name(), program.version(), path(program)?.display());
    }
    Ok(())
}
