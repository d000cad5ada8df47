//! The built `curfew` binary, with a configuration file, the machine's clock and real signals.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};

use curfew::clock::Clock;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use super::app::LegacyApp;
use super::browser::Browser;
use super::gateway::{ENVIRONMENT, filled_in};
use super::soon;

/// A process that ends with its test.
pub(crate) struct Binary {
    pub(crate) address: SocketAddr,
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    upstream: SocketAddr,
    directory: TempDir,
}

impl Binary {
    /// Runs `curfew serve` in front of an app; the policy is filled in as `Gateway::with` does.
    pub(crate) async fn serve(app: &LegacyApp, policy: &str) -> Self {
        let directory = tempfile::tempdir().expect("a test may write files");
        let file = directory.path().join("curfew.toml");
        let text = filled_in(policy, app.address, directory.path());
        std::fs::write(&file, text).expect("a test may write files");
        let mut child = Command::new(env!("CARGO_BIN_EXE_curfew"))
            .args(["serve", "--config"])
            .arg(&file)
            .envs(ENVIRONMENT)
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary was built");
        let stderr = child.stderr.take().expect("it is piped");
        let mut log = BufReader::new(stderr).lines();
        let line = said(&mut log, "serving").await;
        let address = line["address"].as_str().unwrap_or_default();
        Self {
            address: address.parse().expect("the log tells an address"),
            child,
            log,
            upstream: app.address,
            directory,
        }
    }

    /// A browser that has never been here.
    pub(crate) fn browser(&self) -> Browser {
        Browser::at(self.address, Clock::system())
    }

    /// Writes another configuration over the one it was started with.
    pub(crate) fn write(&self, policy: &str) {
        let text = filled_in(policy, self.upstream, self.directory.path());
        std::fs::write(self.file(), text).expect("a test may write files");
    }

    /// Sends a signal, such as `HUP`.
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await;
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for a line of the log whose message holds these words.
    pub(crate) async fn says(&mut self, words: &str) -> Value {
        said(&mut self.log, words).await
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let status = soon("the end of the process", self.child.wait()).await;
        status.expect("it can be waited for")
    }

    fn file(&self) -> PathBuf {
        self.directory.path().join("curfew.toml")
    }
}

async fn said(log: &mut Lines<BufReader<ChildStderr>>, words: &str) -> Value {
    let find = async {
        while let Some(line) = log.next_line().await.expect("the log can be read") {
            let line: Value = serde_json::from_str(&line).unwrap_or_default();
            if line["message"]
                .as_str()
                .is_some_and(|text| text.contains(words))
            {
                return line;
            }
        }
        panic!("the process ended before it said: {words}");
    };
    soon(&format!("the log says: {words}"), find).await
}
