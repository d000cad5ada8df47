//! A Redis server of a test's own: a child process on a free port of the loopback address, mostly
//! with nothing on disk, gone with the value that stands for it.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::tls::{Authority, PemFiles};
use super::within;

/// How long a server may take to answer after it was started.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// Another test may take the port between its choice and its use.
const PORTS_TRIED: usize = 5;

const MISSING: &str = "these tests need the Debian package redis-server, which brings redis-cli";

/// The server.
pub(crate) struct RedisServer {
    child: Option<Child>,
    port: u16,
    dir: TempDir,
    tls: Option<Tls>,
    options: Vec<String>,
    password: Option<String>,
}

/// The files of a server that speaks TLS.
struct Tls {
    ca: PathBuf,
    files: PemFiles,
}

impl RedisServer {
    /// A server that answers.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[], None).await
    }

    /// A server that asks for a password.
    pub(crate) async fn with_password(password: &str) -> Self {
        Self::start_with(&["--requirepass", password], Some(password)).await
    }

    /// A server that keeps what it answered to when it is killed. The kernel has it by then; a
    /// disk that is slow is no part of any test.
    pub(crate) async fn durable() -> Self {
        Self::start_with(&["--appendonly", "yes", "--appendfsync", "no"], None).await
    }

    /// A server that speaks TLS, with a certificate of an authority of its own for 127.0.0.1.
    pub(crate) async fn with_tls() -> Self {
        let mut server = Self::unstarted(&[], None);
        server.tls = Some(certify(server.dir.path()));
        server.start_somewhere().await;
        server
    }

    async fn start_with(options: &[&str], password: Option<&str>) -> Self {
        let mut server = Self::unstarted(options, password);
        server.start_somewhere().await;
        server
    }

    fn unstarted(options: &[&str], password: Option<&str>) -> Self {
        Self {
            child: None,
            port: 0,
            dir: tempfile::tempdir().expect("a temporary directory"),
            tls: None,
            options: options.iter().map(ToString::to_string).collect(),
            password: password.map(str::to_owned),
        }
    }

    /// Where it listens, without a password.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.tls.is_some() {
            "rediss"
        } else {
            "redis"
        };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The table of a policy whose sessions are kept here; an operation may take so long.
    pub(crate) fn table(&self, deadline: &str) -> String {
        let url = self.url();
        format!("[store]\nurl = {url:?}\nkeys = \"env:SESSION_KEYS\"\ndeadline = {deadline:?}\n")
    }

    /// The port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The authority that signed its certificate.
    pub(crate) fn ca(&self) -> Option<&Path> {
        self.tls.as_ref().map(|tls| &*tls.ca)
    }

    /// Kills it. Nothing of what it held stays, unless it is durable.
    pub(crate) async fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("a child can be killed");
        }
    }

    /// Starts it again, on the same port.
    pub(crate) async fn start_again(&mut self) {
        assert!(self.child.is_none(), "it was killed before");
        assert!(self.try_start().await, "the port is free again");
    }

    /// Holds it still: it is connected, and silent.
    pub(crate) async fn freeze(&self) {
        self.signal("-STOP").await;
    }

    /// Lets it go on.
    pub(crate) async fn thaw(&self) {
        self.signal("-CONT").await;
    }

    /// What `redis-cli` answers, errors too, without the last line break.
    pub(crate) async fn cli(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("redis-cli");
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        if let Some(tls) = &self.tls {
            command.arg("--tls").arg("--cacert").arg(&tls.ca);
        }
        if let Some(password) = &self.password {
            command.env("REDISCLI_AUTH", password);
        }
        let output = command.args(arguments).output().await.expect(MISSING);
        let answer = String::from_utf8_lossy(&output.stdout);
        answer.trim_end_matches('\n').to_owned()
    }

    async fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("it runs");
        let id = child.id().expect("it was not waited for").to_string();
        let sent = Command::new("kill").args([signal, &id]).status().await;
        assert!(sent.expect("kill is there").success());
    }

    async fn start_somewhere(&mut self) {
        for _ in 0..PORTS_TRIED {
            self.port = free_port();
            if self.try_start().await {
                return;
            }
        }
        panic!("redis-server found no port");
    }

    /// Starts it and waits until it answers; false where it ended instead.
    async fn try_start(&mut self) -> bool {
        let mut command = Command::new("redis-server");
        command
            .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"])
            .arg("--dir")
            .arg(self.dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let port = self.port.to_string();
        match &self.tls {
            None => command.args(["--port", &port]),
            Some(tls) => command
                .args(["--port", "0", "--tls-port", &port])
                .arg("--tls-cert-file")
                .arg(&tls.files.certificate)
                .arg("--tls-key-file")
                .arg(&tls.files.key)
                .arg("--tls-ca-cert-file")
                .arg(&tls.ca)
                .args(["--tls-auth-clients", "no"]),
        };
        let mut child = command.args(&self.options).spawn().expect(MISSING);
        let id = format!("process_id:{}", child.id().expect("it has just started"));
        let answers = within(STARTS_WITHIN, async || {
            matches!(child.try_wait(), Ok(Some(_)))
                || self.cli(&["INFO", "server"]).await.contains(&id)
        });
        answers.await.expect("redis-server answers or ends");
        let runs = matches!(child.try_wait(), Ok(None));
        self.child = runs.then_some(child);
        runs
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

fn certify(dir: &Path) -> Tls {
    let authority = Authority::new();
    let ca = dir.join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("a file in a directory of our own");
    Tls {
        ca,
        files: authority.certify("127.0.0.1").write(dir),
    }
}
