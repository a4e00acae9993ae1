//! The foreign programs of the test bed: built from Go modules that this repository pins, kept outside of the work tree.

mod build;
mod table;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

pub use table::Program;

/// Where a program is on this machine; it is built first where it is not there yet.
///
/// # Errors
/// When the Go toolchain is missing or too old, or when the build fails.
pub fn path(program: Program) -> Result<PathBuf> {
    if let Some(path) = from_envtest(program) {
        return Ok(path);
    }
    build::cached(program)
}

/// The folder that outlives `cargo clean`: built programs and tools.
///
/// # Errors
/// When neither a cache folder nor a home folder is known.
pub fn cache_dir() -> Result<PathBuf> {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = named("RUNTIMECLASS_INSTALLER_CACHE") {
        return std::path::absolute(dir).context("RUNTIMECLASS_INSTALLER_CACHE");
    }
    let parent = named("XDG_CACHE_HOME")
        .or_else(|| Some(named("HOME")?.join(".cache")))
        .context("no cache folder: set RUNTIMECLASS_INSTALLER_CACHE, XDG_CACHE_HOME or HOME")?;
    Ok(parent.join("runtimeclass-installer"))
}

/// The ecosystem's own way to say where a control plane's programs are. It counts only where it names both.
fn from_envtest(program: Program) -> Option<PathBuf> {
    let dir = PathBuf::from(env::var_os("KUBEBUILDER_ASSETS")?);
    let pair = [Program::Etcd, Program::KubeApiServer];
    let complete = pair.iter().all(|one| dir.join(one.name()).is_file());
    (complete && pair.contains(&program)).then(|| dir.join(program.name()))
}

/// The folder of the Go modules that pin the programs.
fn modules() -> PathBuf {
    // The test bed only ever runs from the checkout that it was compiled in.
    Path::new(env!("CARGO_MANIFEST_DIR")).join("go")
}
