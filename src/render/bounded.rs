//! Templates run within limits: Tera has some of its own, and none for time, memory and output.
//!
//! A loop in Tera always ends, but loops within loops may take years, and a string that is doubled in one takes all memory.
//! It cannot be interrupted from inside; so it runs in a thread of its own, which is left behind when a limit is reached:
//! the process ends right after that.

use std::io::{self, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Limit for what a template prints for one class.
const LONGEST_OUTPUT: usize = 1024 * 1024;
/// Limit for all classes together. A class takes some microseconds.
const LONGEST_TIME: Duration = Duration::from_secs(10);
/// Limit for the memory that is taken meanwhile.
const MOST_MEMORY: u64 = 64 * 1024 * 1024;
/// Enough to drop a value that is nested as deeply as the memory allows.
const STACK: usize = 256 * 1024 * 1024;
/// How often is looked at what it takes.
const LOOK: Duration = Duration::from_millis(2);

/// What a template prints, up to the limit.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    is_full: bool,
}

impl Output {
    /// What was printed, or what is wrong with it.
    pub fn text(self) -> Result<String, String> {
        String::from_utf8(self.bytes).map_err(|_| "the template prints what is not UTF-8".to_owned())
    }

    /// Why no more was taken, if that is so.
    pub fn overflow(&self) -> Option<String> {
        self.is_full.then(|| format!("the template prints more than {} MiB", LONGEST_OUTPUT / 1024 / 1024))
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes.len() + bytes.len() > LONGEST_OUTPUT {
            self.is_full = true;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Does the work, or says which limit it reached.
pub fn run<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let (sender, receiver) = mpsc::channel();
    let (start, before) = (Instant::now(), resident_memory());
    let in_thread = move || {
        // Nobody listens any more where a limit was reached.
        let _ = sender.send(work());
    };
    thread::Builder::new()
        .name("templates".to_owned())
        .stack_size(STACK)
        .spawn(in_thread)
        .map_err(|error| format!("cannot start a thread for templates: {error}"))?;
    loop {
        match receiver.recv_timeout(LOOK) {
            Ok(done) => return Ok(done),
            Err(RecvTimeoutError::Disconnected) => return Err("the template engine broke down".to_owned()),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if resident_memory().saturating_sub(before) > MOST_MEMORY {
            return Err(format!("the templates take more than {} MiB of memory", MOST_MEMORY / 1024 / 1024));
        }
        if start.elapsed() > LONGEST_TIME {
            return Err(format!("the templates take longer than {} s", LONGEST_TIME.as_secs()));
        }
    }
}

/// The memory of this process in bytes; 0 where the system does not tell. It is no input: it decides only when to give up.
fn resident_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kilobytes.unwrap_or(0).saturating_mul(1024)
}
