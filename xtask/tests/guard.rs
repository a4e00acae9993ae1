//! Nothing of a control plane outlives the process that started it, whichever way that ends.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// A process that holds a control plane.
struct Holder {
    process: Child,
    pids: Vec<u32>,
    dir: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

/// Five API servers that start at the same time are too much for a small machine.
static TURN: Mutex<()> = Mutex::new(());

impl Holder {
    fn start(end: &str) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut process = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["hold", end])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let mut words: Vec<_> = line.split_whitespace().collect();
        let dir = PathBuf::from(words.pop().unwrap());
        let pids = words.into_iter().map(|word| word.parse().unwrap()).collect();
        let holder = Self { process, pids, dir, _turn: turn };
        assert_eq!(holder.pids.len(), 2);
        assert!(holder.dir.is_dir() && holder.pids.iter().all(|pid| runs(*pid)));
        holder
    }

    /// Lets the process end in its own way.
    fn let_end(&mut self) -> ExitStatus {
        drop(self.process.stdin.take());
        self.process.wait().unwrap()
    }

    fn nothing_is_left(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.pids.iter().any(|pid| runs(*pid)) || self.dir.exists() {
            assert!(Instant::now() < deadline, "left behind: {:?} {}", self.pids, self.dir.display());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Whether a process does anything still: one that has ended may wait for its new parent to take note of it.
fn runs(pid: u32) -> bool {
    let status = fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:") && !line.contains('Z'))
}

#[test]
fn an_orderly_end_leaves_nothing() {
    let mut holder = Holder::start("drop");
    assert!(holder.let_end().success());
    holder.nothing_is_left();
}

#[test]
fn a_shared_control_plane_ends_with_its_process() {
    let mut holder = Holder::start("exit");
    assert!(holder.let_end().success());
    holder.nothing_is_left();
}

#[test]
fn a_panic_leaves_nothing() {
    let mut holder = Holder::start("panic");
    assert_eq!(holder.let_end().code(), Some(101));
    holder.nothing_is_left();
}

#[test]
fn an_abort_leaves_nothing() {
    let mut holder = Holder::start("abort");
    assert_eq!(holder.let_end().code(), None);
    holder.nothing_is_left();
}

#[test]
fn a_kill_leaves_nothing() {
    let mut holder = Holder::start("drop");
    holder.process.kill().unwrap();
    holder.process.wait().unwrap();
    holder.nothing_is_left();
}
