//! A program of the control plane while it runs.

use std::ffi::OsString;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::guard::Guard;

/// Tells the guard its own number and then becomes the program. So there is no moment at which the program runs and the
/// guard does not know of it, not even when this process is killed right after the start.
const LAUNCH: &str = r#"echo "watch $$" && log=$1 && shift && exec "$@" >>"$log" 2>&1"#;

/// A child process that is killed and awaited when it is dropped.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
    guard: Arc<Guard>,
}

impl Process {
    /// Starts a program that writes to `log`, in a process group of its own: Ctrl-C is for this process, which then
    /// ends its children in the right order.
    pub(super) fn start(
        guard: &Arc<Guard>,
        name: &'static str,
        program: &Path,
        args: Vec<OsString>,
        log: PathBuf,
    ) -> Result<Self> {
        let child = Command::new("sh")
            .args(["-c", LAUNCH, "launch"])
            .args([&log, program])
            .args(args)
            .stdin(Stdio::null())
            .stdout(guard.pipe()?)
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        Ok(Self { name, child, log, guard: Arc::clone(guard) })
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// An error with the end of the log once the process has ended.
    pub(super) fn check(&mut self) -> Result<()> {
        if let Some(status) = self.child.try_wait().with_context(|| format!("cannot look after {}", self.name))? {
            bail!("{} has ended ({status}). The end of its log:\n{}", self.name, tail(&self.log));
        }
        Ok(())
    }

    pub(super) fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).context("an odd process number")?;
        kill_process(pid, signal).with_context(|| format!("cannot signal {}", self.name))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Each can only fail when the process is gone already, which is what is wanted.
        let _ = self.child.kill();
        self.guard.forget(self.pid());
        let _ = self.child.wait();
    }
}

/// The last lines of a log file, for an error message.
pub(super) fn tail(log: &Path) -> String {
    const LINES: usize = 20;
    match fs::read(log) {
        Ok(bytes) => {
            let text = String::from_utf8_lossy(&bytes);
            let lines: Vec<_> = text.lines().collect();
            lines[lines.len().saturating_sub(LINES)..].join("\n")
        }
        Err(error) => format!("(cannot read {}: {error})", log.display()),
    }
}
