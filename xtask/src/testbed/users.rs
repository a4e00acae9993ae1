//! Who may talk to the API server, and with which token.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use ring::rand::{SecureRandom, SystemRandom};

/// How many users without any permission there are: `user-0`, `user-1` and so on.
pub const PLAIN_USERS: usize = 20;

/// The cluster's administrator, as whom programs under test run by default.
pub(super) const ADMIN: &str = "admin";

/// The test bed itself. An administrator too, but its requests are never counted.
pub(super) const TESTBED: &str = "testbed";

/// The token file and one kubeconfig per user.
#[derive(Debug)]
pub(super) struct Users {
    dir: PathBuf,
    secret: String,
}

impl Users {
    /// Writes all files into the folder. The CA file need not exist yet.
    pub(super) fn write(dir: PathBuf, server: &str, ca: &Path) -> Result<Self> {
        let mut random = [0; 16];
        // The API server listens on a port that every user of this machine can reach.
        SystemRandom::new().fill(&mut random).map_err(|_| anyhow!("no randomness for tokens"))?;
        let users = Self { dir, secret: format!("{:032x}", u128::from_be_bytes(random)) };
        fs::create_dir_all(&users.dir).context("cannot make the users' folder")?;
        let mut tokens = String::new();
        for user in names() {
            let groups = if is_admin(&user) { ",system:masters" } else { "" };
            writeln!(tokens, "{},{user},{user}{groups}", users.token(&user))?;
            let path = users.kubeconfig(&user);
            fs::write(&path, kubeconfig(&user, &users.token(&user), server, ca))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        fs::write(users.token_file(), tokens).context("cannot write the token file")?;
        Ok(users)
    }

    pub(super) fn token_file(&self) -> PathBuf {
        self.dir.join("tokens.csv")
    }

    pub(super) fn kubeconfig(&self, user: &str) -> PathBuf {
        self.dir.join(format!("{user}.kubeconfig"))
    }

    pub(super) fn token(&self, user: &str) -> String {
        format!("{user}-{}", self.secret)
    }
}

/// Whether requests of this user are those of a program under test.
pub(super) fn is_counted(user: &str) -> bool {
    user != TESTBED && names().any(|name| name == user)
}

fn names() -> impl Iterator<Item = String> {
    let plain = (0..PLAIN_USERS).map(|number| format!("user-{number}"));
    [ADMIN, TESTBED].into_iter().map(str::to_owned).chain(plain)
}

fn is_admin(user: &str) -> bool {
    [ADMIN, TESTBED].contains(&user)
}

fn kubeconfig(user: &str, token: &str, server: &str, ca: &Path) -> String {
    let ca = ca.display();
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: testbed
  cluster:
    server: {server}
    certificate-authority: {ca}
users:
- name: {user}
  user:
    token: {token}
contexts:
- name: testbed
  context:
    cluster: testbed
    user: {user}
current-context: testbed
"
    )
}
