//! Building a program once per machine, however many test processes ask for it at the same time.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::table::Program;
use super::{cache_dir, modules};
use crate::testbed::process::tail;

/// How often a build that takes long says that it is still at it.
const SIGN_OF_LIFE: Duration = Duration::from_secs(15);

/// The program in the cache, built where it is missing.
pub(super) fn cached(program: Program) -> Result<PathBuf> {
    let module = modules().join(program.group().name);
    let dir = cache_dir()?.join("bin").join(format!("{}-{}", program.group().name, fingerprint(program, &module)?));
    let target = dir.join(program.name());
    if target.is_file() {
        return Ok(target);
    }
    fs::create_dir_all(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let _lock = lock(&dir.join(format!("{}.lock", program.name())), program)?;
    if target.is_file() {
        return Ok(target); // Somebody else built it while this process waited.
    }
    check_go(&module)?;
    build(program, &module, &dir)?;
    Ok(target)
}

/// Names everything that decides what comes out of a build.
fn fingerprint(program: Program, module: &Path) -> Result<String> {
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for file in ["go.mod", "go.sum"] {
        let path = module.join(file);
        digest.update(&fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?);
    }
    for part in [program.group().ldflags, std::env::consts::OS, std::env::consts::ARCH] {
        digest.update(part.as_bytes());
    }
    let digest = digest.finish();
    let start = digest.as_ref().first_chunk().copied().context("a digest without bytes")?;
    Ok(format!("{:012x}", u64::from_be_bytes(start) >> 16))
}

fn lock(path: &Path, program: Program) -> Result<File> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => eprintln!("waiting for another process that builds {}", program.name()),
        Err(TryLockError::Error(error)) => {
            return Err(error).with_context(|| format!("cannot lock {}", path.display()));
        }
    }
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

fn go() -> Command {
    let mut command = Command::new("go");
    // The toolchain that is there, or an error that names the one that is wanted: never a silent download of another.
    command.env("GOTOOLCHAIN", "local").env("GOWORK", "off").env("GOFLAGS", "-trimpath").env("CGO_ENABLED", "0");
    command
}

fn check_go(module: &Path) -> Result<()> {
    let path = module.join("go.mod");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let wanted = text.lines().find_map(|line| line.strip_prefix("go ")).context("go.mod names no Go version")?.trim();
    let output = match go().args(["env", "GOVERSION"]).output() {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!(
                "`go` is not installed: the test bed builds its control plane with Go {wanted} or newer (https://go.dev/dl)"
            )
        }
        Err(error) => return Err(error).context("cannot run `go env GOVERSION`"),
    };
    let found = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if version(found.trim_start_matches("go")) < version(wanted) {
        bail!("`go` is {found}, and the test bed needs Go {wanted} or newer (https://go.dev/dl)");
    }
    Ok(())
}

/// `1.26.8` as numbers. Whatever follows a number, as in `1.27rc1`, is left out.
fn version(text: &str) -> Vec<u32> {
    let number = |part: &str| part.split(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok());
    text.split('.').map_while(number).collect()
}

fn build(program: Program, module: &Path, dir: &Path) -> Result<()> {
    let (name, target) = (program.name(), dir.join(program.name()));
    let unfinished = dir.join(format!("{name}.unfinished"));
    let log = dir.join(format!("{name}.log"));
    let output = File::create(&log).with_context(|| format!("cannot create {}", log.display()))?;
    eprintln!("building {name} {} (about {} the first time) ...", program.version(), program.first_build());
    let start = Instant::now();
    let mut child = go()
        .current_dir(module)
        .args(["build", "-ldflags", program.group().ldflags, "-o"])
        .args([unfinished.as_os_str(), program.package().as_ref()])
        .stdin(Stdio::null())
        .stdout(output.try_clone().context("cannot share the log")?)
        .stderr(output)
        .spawn()
        .context("cannot run `go build`")?;
    let mut told = start;
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot await `go build`")? {
            break status;
        }
        if told.elapsed() >= SIGN_OF_LIFE {
            told = Instant::now();
            eprintln!("  ... {} s", start.elapsed().as_secs());
        }
        thread::sleep(Duration::from_millis(100));
    };
    if !status.success() {
        bail!("building {name} {} failed ({status}):\n{}", program.version(), tail(&log));
    }
    fs::rename(&unfinished, &target).with_context(|| format!("cannot move {name} to {}", target.display()))?;
    eprintln!("built {name} in {} s: {}", start.elapsed().as_secs(), target.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(version("1.26.8") > version("1.26.0"));
        assert!(version("1.9.1") < version("1.26.0"));
        assert!(version("1.27rc1") > version("1.26.0"));
        assert!(version("") < version("1.26.0"));
    }
}
