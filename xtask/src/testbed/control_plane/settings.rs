//! The files, ports and flags of a control plane.

use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

use crate::testbed::assets::{self, Program};
use crate::testbed::audit;
use crate::testbed::guard::Guard;
use crate::testbed::process::Process;
use crate::testbed::users::Users;

/// All that decides how the two processes are started, and restarted.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) url: String,
    pub(super) ca_file: PathBuf,
    pub(super) audit_log: PathBuf,
    pub(super) users: Users,
    dir: PathBuf,
    api_port: u16,
    etcd_port: u16,
    etcd: PathBuf,
    api_server: PathBuf,
}

impl Settings {
    /// Chooses ports, finds the programs and writes their files.
    pub(super) fn write(dir: &Path) -> Result<Self> {
        let (etcd, api_server) = (assets::path(Program::Etcd)?, assets::path(Program::KubeApiServer)?);
        let [api_port, etcd_port] = free_ports()?;
        let url = format!("https://127.0.0.1:{api_port}");
        // The server makes this file at its first start: its own certificate, followed by the one that signed it.
        let ca_file = dir.join("certificates/apiserver.crt");
        let users = Users::write(dir.join("users"), &url, &ca_file)?;
        let write = |name: &str, text: &str| {
            fs::write(dir.join(name), text).with_context(|| format!("cannot write {name} of the control plane"))
        };
        write("audit-policy.yaml", audit::POLICY)?;
        let (private, public) = signing_keys()?;
        write("service-accounts.key", &private)?;
        write("service-accounts.pub", &public)?;
        write("audit.log", "")?;
        let audit_log = dir.join("audit.log");
        Ok(Self { url, ca_file, audit_log, users, dir: dir.to_owned(), api_port, etcd_port, etcd, api_server })
    }

    pub(super) fn start_etcd(&self, guard: &Arc<Guard>) -> Result<Process> {
        let client = format!("http://127.0.0.1:{}", self.etcd_port);
        let mut args = Flags::default();
        args.add("data-dir", self.dir.join("etcd"));
        args.add("listen-client-urls", &client);
        args.add("advertise-client-urls", &client);
        // There are no peers, so nobody needs to know the port.
        args.add("listen-peer-urls", "http://127.0.0.1:0");
        // The data need not outlive the machine.
        args.add("unsafe-no-fsync", "true");
        Process::start(guard, "etcd", &self.etcd, args.0, self.dir.join("etcd.log"))
    }

    pub(super) fn start_api_server(&self, guard: &Arc<Guard>) -> Result<Process> {
        let mut args = Flags::default();
        args.add("etcd-servers", format!("http://127.0.0.1:{}", self.etcd_port));
        args.add("bind-address", "127.0.0.1");
        args.add("advertise-address", "127.0.0.1");
        args.add("secure-port", self.api_port.to_string());
        args.add("cert-dir", self.dir.join("certificates"));
        args.add("token-auth-file", self.users.token_file());
        args.add("authorization-mode", "Node,RBAC");
        args.add("service-account-issuer", "https://kubernetes.default.svc");
        args.add("service-account-key-file", self.dir.join("service-accounts.pub"));
        args.add("service-account-signing-key-file", self.dir.join("service-accounts.key"));
        args.add("service-cluster-ip-range", "10.96.0.0/24");
        // A loopback address is no valid endpoint of the Service `kubernetes`, and nobody here uses that Service.
        args.add("endpoint-reconciler-type", "none");
        args.add("audit-policy-file", self.dir.join("audit-policy.yaml"));
        args.add("audit-log-path", &self.audit_log);
        args.add("audit-log-mode", "blocking");
        // A mark is a position in one file, so the file must never be exchanged.
        args.add("audit-log-maxsize", "100000");
        args.add("profiling", "false");
        Process::start(guard, "kube-apiserver", &self.api_server, args.0, self.dir.join("kube-apiserver.log"))
    }
}

#[derive(Default)]
struct Flags(Vec<OsString>);

impl Flags {
    fn add(&mut self, name: &str, value: impl Into<OsString>) {
        let mut flag = OsString::from(format!("--{name}="));
        flag.push(value.into());
        self.0.push(flag);
    }
}

/// Ports that nobody uses now. All are held until all are chosen, so that they differ.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut ports = [0; N];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("no free port")?;
        *port = listener.local_addr().context("no free port")?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// A new key for the tokens of service accounts: the half that signs and the half that checks, both as PEM.
fn signing_keys() -> Result<(String, String)> {
    /// DER of "a public key on the curve P-256 follows"; ring gives the bare point.
    const P256: &[u8] =
        b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\0";
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).and_then(|private| {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, private.as_ref(), &random)
            .map_err(|_| ring::error::Unspecified)?;
        Ok((pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", &[P256, pair.public_key().as_ref()].concat())))
    });
    pair.map_err(|_| anyhow!("cannot make a key for ServiceAccounts' tokens"))
}

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}
