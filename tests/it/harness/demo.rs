//! `curfew demo` as somebody runs it who has just built it, on ports of its own.

use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};

use curfew::clock::Clock;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use super::browser::Browser;
use super::soon;

/// A demo that ends with its test.
pub(crate) struct Demo {
    /// What it printed when it was ready.
    pub(crate) welcome: String,
    /// The gateway.
    pub(crate) address: SocketAddr,
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
}

impl Demo {
    /// Starts it, and reads what it prints.
    pub(crate) async fn start() -> Self {
        let anywhere = "127.0.0.1:0";
        let mut child = Command::new(env!("CARGO_BIN_EXE_curfew"))
            .args(["demo", "--listen", anywhere, "--admin", anywhere])
            .args(["--app", anywhere])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary was built");
        let mut out = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut welcome = String::new();
        while !welcome.contains("Ctrl-C") {
            let line = soon("the demo's welcome", out.next_line()).await;
            let line = line.expect("it can be read").expect("it goes on");
            welcome.push_str(&line);
            welcome.push('\n');
        }
        Self {
            address: address_after(&welcome, "Open"),
            welcome,
            child,
            out,
        }
    }

    /// The address of the URL that follows a word of the welcome.
    pub(crate) fn address_after(&self, word: &str) -> SocketAddr {
        address_after(&self.welcome, word)
    }

    /// A browser that has never been there.
    pub(crate) fn browser(&self) -> Browser {
        Browser::at(self.address, Clock::system())
    }

    /// Waits for the audit's next event of a kind.
    pub(crate) async fn event(&mut self, kind: &str) -> Value {
        let find = async {
            while let Some(line) = self.out.next_line().await.expect("it can be read") {
                let event: Value = serde_json::from_str(&line).unwrap_or_default();
                if event["event"] == kind {
                    return event;
                }
            }
            panic!("the demo ended before the event: {kind}");
        };
        soon(&format!("the event {kind}"), find).await
    }

    /// Ctrl-C, and what came of it.
    pub(crate) async fn interrupt(&mut self) -> ExitStatus {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", "INT", &id]).status().await;
        assert!(sent.expect("kill runs").success());
        let status = soon("the end of the demo", self.child.wait()).await;
        status.expect("it can be waited for")
    }
}

fn address_after(text: &str, word: &str) -> SocketAddr {
    let (_, rest) = text.split_once(word).expect("it prints the word");
    let (_, rest) = rest.split_once("http://").expect("it prints a URL");
    let address = rest.split(['/', ' ', '\n']).next().unwrap_or_default();
    address.parse().expect("it prints an address")
}
