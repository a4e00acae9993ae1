//! Nothing of the test bed outlives this process, whichever way it ends.
//!
//! `Drop` covers orderly ends. For all others a small shell waits on a pipe whose write end only this process holds:
//! the kernel closes it when the process is gone, by SIGKILL too, and the shell then ends what is left.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use anyhow::{Context, Result};

/// `watch PID` and `forget PID` keep the list of processes, `done` says that there is nothing left to do.
/// A process that was just killed may still write a file, hence more than one try to remove the folder.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
pids=
while read -r word pid; do
    case $word in
        watch) pids="$pids $pid" ;;
        forget)
            rest=
            for one in $pids; do
                [ "$one" = "$pid" ] || rest="$rest $one"
            done
            pids=$rest ;;
        done) exit 0 ;;
    esac
done
for pid in $pids; do kill -9 "$pid"; done
for try in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$1" && exit 0
    sleep 0.1
done
"#;

/// The shell that ends processes and removes the folder when this process can no longer do so.
#[derive(Debug)]
pub(super) struct Guard {
    shell: Child,
    pipe: File,
}

impl Guard {
    /// Starts the guard of a folder.
    pub(super) fn start(dir: &Path) -> Result<Arc<Self>> {
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "testbed-guard"])
            .arg(dir)
            .stdin(Stdio::piped())
            // An inherited output would keep whoever reads this process's output waiting for the guard.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .context("cannot start `sh`")?;
        let pipe = OwnedFd::from(shell.stdin.take().context("the guard has no input")?).into();
        Ok(Arc::new(Self { shell, pipe }))
    }

    /// A write end of the pipe for a process that is about to start, so that it can announce itself.
    pub(super) fn pipe(&self) -> Result<File> {
        self.pipe.try_clone().context("cannot share the guard's pipe")
    }

    /// The process has ended: its number may be given to another one.
    pub(super) fn forget(&self, pid: u32) {
        self.tell(&format!("forget {pid}\n"));
    }

    fn tell(&self, line: &str) {
        // Without a guard there is nobody to tell; nothing else depends on it.
        let _ = (&self.pipe).write_all(line.as_bytes());
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.tell("done\n");
        let _ = self.shell.wait();
    }
}
