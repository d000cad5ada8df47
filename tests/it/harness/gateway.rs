//! A gateway in this process, configured by TOML as an administrator would write it: mostly with
//! the memory store, a clock moved by hand and repeatable randomness.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use curfew::clock::Clock;
use curfew::config::Config;
use curfew::config::load;
use curfew::config::surroundings::Surroundings;
use curfew::domain::time::Timestamp;
use curfew::entropy::Entropy;
use serde_json::Value;
use tempfile::TempDir;

use super::app::LegacyApp;
use super::browser::{Browser, Page};
use super::eventually;

/// When every test begins: 2026-01-01T08:00:00Z.
pub(crate) const START: Timestamp = Timestamp::from_millis(1_767_254_400_000);

/// The token of the admin listener.
pub(crate) const ADMIN_TOKEN: &str = "an-admin-token-of-these-tests";

/// The key of gateways whose store needs one, `keys = "env:SESSION_KEYS"`.
pub(crate) const SESSION_KEY: &str = "a-key-of-32-bytes-for-tests-only";

/// The variables that a policy may name.
pub(super) const ENVIRONMENT: [(&str, &str); 2] =
    [("ADMIN_TOKEN", ADMIN_TOKEN), ("SESSION_KEYS", SESSION_KEY)];

/// The roles of the tests that write none.
pub(crate) const ROLES: &str = r#"
[roles.buyer]
idle = "15m"
absolute = "8h"
users = ["buyer"]

[roles.approver]
idle = "5m"
absolute = "4h"
users = ["approver"]
"#;

/// In a policy: the gateway writes an access log.
pub(crate) const WITH_ACCESS_LOG: &str = "# with an access log\n";

/// A gateway that runs until its test is over.
pub(crate) struct Gateway {
    pub(crate) address: SocketAddr,
    pub(crate) admin: SocketAddr,
    clock: Clock,
    gateway: curfew::gateway::Gateway,
    upstream: SocketAddr,
    records: TempDir,
}

impl Gateway {
    /// A gateway in front of an app. The policy is written as a file would hold it; what it leaves
    /// out and every file needs (listeners, admin, records, roles, upstreams) is filled in.
    pub(crate) async fn with(app: &LegacyApp, policy: &str) -> Self {
        Self::start(app, policy, Clock::manual(START), Entropy::seeded(1)).await
    }

    /// The same, but time passes by itself, and no other gateway makes the same choices. It is
    /// ready: it has reached its store.
    pub(crate) async fn live(app: &LegacyApp, policy: &str) -> Self {
        let gateway = Self::start(app, policy, Clock::system(), Entropy::system()).await;
        gateway.is_ready().await;
        gateway
    }

    /// Another gateway on the same clock, in front of the same app.
    pub(crate) async fn another(&self, app: &LegacyApp, policy: &str) -> Self {
        Self::start(app, policy, self.clock.clone(), Entropy::seeded(2)).await
    }

    /// Waits until it has reached its store.
    pub(crate) async fn is_ready(&self) {
        eventually("the gateway is ready", async || {
            let page = self.operator().get("/readyz").await;
            (page.status == 200).then_some(())
        })
        .await;
    }

    async fn start(app: &LegacyApp, policy: &str, clock: Clock, entropy: Entropy) -> Self {
        let records = tempfile::tempdir().expect("a test may write files");
        let config = config(policy, app.address, records.path());
        let gateway = curfew::gateway::Gateway::start(config, clock.clone(), entropy);
        let gateway = gateway.await.expect("the gateway starts");
        Self {
            address: gateway.addresses()[0],
            admin: gateway.admin_address().expect("it was configured"),
            clock,
            gateway,
            upstream: app.address,
            records,
        }
    }

    /// A browser that has never been here.
    pub(crate) fn browser(&self) -> Browser {
        Browser::at(self.address, self.clock.clone())
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Puts another policy in force.
    pub(crate) fn reload(&self, policy: &str) {
        let config = config(policy, self.upstream, self.records.path());
        self.gateway.reload(config);
    }

    /// Makes the sweeper look now.
    pub(crate) fn sweep(&self) {
        self.gateway.sweep_now();
    }

    /// A policy as this gateway would read it.
    pub(crate) fn parsed(&self, policy: &str) -> Config {
        config(policy, self.upstream, self.records.path())
    }

    /// The access log, once it tells of a request for this path: of the last one, so that it tells
    /// of all.
    pub(crate) async fn access_log(&self, last: &str) -> String {
        let path = self.records.path().join("access.log");
        let last = format!("\"path\":\"{last}\"");
        eventually("the last line of the access log", async || {
            let text = std::fs::read_to_string(&path).expect("it was opened at the start");
            (text.ends_with('\n') && text.contains(&last)).then_some(text)
        })
        .await
    }

    /// Every line of the audit so far.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.records.path().join("audit.log"));
        let text = text.expect("the audit was opened at the start");
        // What has no end yet is being written at this moment.
        text.split_inclusive('\n')
            .filter(|line| line.ends_with('\n'))
            .map(|line| serde_json::from_str(line).expect("the audit holds JSON lines"))
            .collect()
    }

    /// The events of a kind, once there are so many: the audit is written in the background.
    pub(crate) async fn events(&self, kind: &str, count: usize) -> Vec<Value> {
        eventually(&format!("{count} events: {kind}"), async || {
            let audit = self.audit().into_iter();
            let events: Vec<Value> = audit.filter(|line| line["event"] == kind).collect();
            (events.len() >= count).then_some(events)
        })
        .await
    }

    /// The exposition of metrics.
    pub(crate) async fn metrics(&self) -> String {
        let page = self.operator().get("/metrics").await;
        assert_eq!(page.status, 200);
        page.text()
    }

    /// The sum over the series of a metric whose labels hold all of these, such as `role="buyer"`.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.metrics().await;
        let series = text.lines().filter(|line| {
            let series = line.split(' ').next().unwrap_or_default();
            series.split('{').next() == Some(name)
                && labels.iter().all(|label| series.contains(label))
        });
        let values = series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        values.sum()
    }

    /// Calls the admin API's revocation.
    pub(crate) async fn revoke(&self, whom: Value) -> Page {
        let request = self
            .operator()
            .request("POST", "/v1/revocations")
            .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
            .header("content-type", "application/json");
        let page = self.operator().send(request, whom.to_string()).await;
        assert_eq!(page.status, 200, "{}", page.text());
        page
    }

    /// Tells the admin API that roles changed.
    pub(crate) async fn roles_changed(&self, whose: &Value) -> Page {
        let request = self
            .operator()
            .request("POST", "/v1/role-changes")
            .header("authorization", format!("Bearer {ADMIN_TOKEN}"))
            .header("content-type", "application/json");
        self.operator().send(request, whose.to_string()).await
    }

    /// What the admin API says of a session, by its lineage; at a request, where a query tells one.
    pub(crate) async fn explain(&self, lineage: &str, query: &str) -> Value {
        let target = format!("/v1/sessions/{lineage}/explain{query}");
        let request = self
            .operator()
            .request("GET", &target)
            .header("authorization", format!("Bearer {ADMIN_TOKEN}"));
        let page = self.operator().send(request, String::new()).await;
        assert_eq!(page.status, 200, "{}", page.text());
        serde_json::from_str(&page.text()).expect("an explanation is JSON")
    }

    /// Somebody at the admin listener.
    fn operator(&self) -> Browser {
        Browser::at(self.admin, self.clock.clone())
    }
}

fn config(policy: &str, upstream: SocketAddr, records: &Path) -> Config {
    let text = filled_in(policy, upstream, records);
    let surroundings = Surroundings {
        base_dir: records,
        environment: &|name| {
            let variable = ENVIRONMENT.iter().find(|(known, _)| *known == name);
            variable.map(|(_, value)| (*value).to_owned())
        },
        read_file: &|path| std::fs::read_to_string(path),
        process_key: &[7; 32],
    };
    match load::parse(&text, "curfew.toml", &surroundings) {
        Ok(loaded) => loaded.config,
        Err(faults) => panic!("{faults}\n{text}"),
    }
}

/// A whole file from what a test says of it.
pub(super) fn filled_in(policy: &str, upstream: SocketAddr, records: &Path) -> String {
    let audit = records.join("audit.log");
    let given = |table: &str| policy.contains(table);
    let mut text = String::new();
    if !given("[[listeners]]") {
        text.push_str("[[listeners]]\naddress = \"127.0.0.1:0\"\n");
    }
    if !given("[roles.") {
        text.push_str(ROLES);
    }
    text.push_str("[admin]\naddress = \"127.0.0.1:0\"\ntoken = \"env:ADMIN_TOKEN\"\n");
    text.push_str(&format!(
        "[records]\naudit = {:?}\n",
        audit.display().to_string()
    ));
    if policy.contains(WITH_ACCESS_LOG) {
        let access = records.join("access.log");
        text.push_str(&format!(
            "access_log = {:?}\n",
            access.display().to_string()
        ));
    }
    let upstreams = format!("[[apps]]\nupstreams = [\"http://{upstream}\"]");
    text.push_str(&policy.replace("[[apps]]", &upstreams));
    text
}
