//! What `simulate` predicts, held against what a gateway did and recorded.

use std::collections::BTreeSet;

use curfew::config::Config;
use curfew::domain::device::Seen;
use curfew::domain::policy::RoleName;
use curfew::domain::resolve::Holder;
use curfew::explain::request::Described;
use curfew::explain::{Who, explain};
use curfew::simulate::logs::{Log, Logs};
use curfew::simulate::tally::{Predicted, RoleTally, Tally};
use curfew::simulate::{Options, simulate};
use serde_json::Value;

use crate::harness::answer::{Answer, Gate};
use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::browser::{Browser, navigation, script};
use crate::harness::gateway::{Gateway, ROLES, WITH_ACCESS_LOG};
use crate::harness::{eventually, span};

use super::{is_over, is_served};

const PHONE: &str = "Mozilla/5.0 (iPhone) Mobile/15E148";

/// Two roles, a class of devices, a route with limits, and passive traffic of every kind.
fn day() -> String {
    format!(
        r#"{WITH_ACCESS_LOG}{ROLES}
[devices.mobile]
when = [{{ user_agent = ["iphone"] }}]
idle = "10m"
{FORM_APP}
[[apps.routes]]
path = "/poll"
activity = "passive"
[[apps.routes]]
path = "/bank/**"
idle = "2m"
[[apps.passive]]
path = "/feed"
status = [304]
[[apps.passive]]
path = "/orders"
headers = {{ X-Background = "*" }}
"#
    )
}

fn run(config: &Config, log: &str) -> (Vec<Predicted>, Tally) {
    let log = Log {
        name: "access.log".into(),
        reader: Box::new(log.as_bytes()),
    };
    let mut logs = Logs::open(vec![log]).expect("it is no file");
    let mut ends = Vec::new();
    let options = Options { within: span("5m") };
    let on_end = |end: &Predicted| ends.push(end.clone());
    let tally = simulate(config, options, &mut logs, on_end, |_| ()).expect("it can be read");
    assert_eq!(tally.broken.lines, 0, "{:?}", tally.broken);
    (ends, tally)
}

/// Session, reason, instant and rule.
type End = (String, String, u64, String);

fn predicted(ends: &[Predicted]) -> BTreeSet<End> {
    let ends = ends.iter().cloned();
    ends.map(|end| (end.lineage, end.reason, end.at_ms, end.rule))
        .collect()
}

/// The same, of what the audit tells of ends by a limit.
fn recorded(events: &[Value]) -> BTreeSet<End> {
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let by_time = events.iter().filter_map(|event| {
        let reason = event["reason"].as_str().expect("a reason");
        reason.ends_with("_timeout").then(|| {
            let at = event["at_ms"].as_u64().expect("an instant");
            let rule = text(&event[reason]["rule"]);
            (text(&event["lineage"]), reason.to_owned(), at, rule)
        })
    });
    by_time.collect()
}

fn role<'a>(tally: &'a Tally, name: &str) -> &'a RoleTally {
    let found = tally.roles.iter().find(|role| role.role == name);
    found.expect("a role of the policy")
}

/// Everybody of the day, in front of an app that is slow at `/slow` and has no news at `/feed`.
struct Office {
    app: LegacyApp,
    gateway: Gateway,
    gate: Gate,
}

impl Office {
    async fn opens(policy: &str) -> Self {
        let gate = Gate::closed();
        let (held, plain) = (gate.clone(), form_app());
        let app = LegacyApp::start(move |seen| match seen.path() {
            "/slow" => Answer::page("done").held_by(&held),
            "/feed" => Answer::status(304),
            _ => plain(seen),
        })
        .await;
        let gateway = Gateway::with(&app, policy).await;
        Self { app, gateway, gate }
    }

    async fn comes(&self, user: &str) -> Browser {
        let mut browser = self.gateway.browser();
        browser.log_in(user).await;
        browser
    }

    fn later(&self, by: &str) {
        self.gateway.advance(span(by));
    }

    async fn serves(&self, browser: &mut Browser, target: &str) {
        is_served(&self.app, browser, target).await;
    }

    async fn refuses(&self, browser: &mut Browser, target: &str, reason: &str) {
        is_over(&self.app, browser, target, reason).await;
    }

    /// The sweeper ends what nobody comes back to: so many have ended by now.
    async fn sweeps(&self, ends: usize) {
        self.gateway.sweep();
        self.gateway.events("end", ends).await;
    }

    async fn touches(&self) -> f64 {
        let name = "curfew_store_duration_seconds_count";
        self.gateway.metric(name, &["op=\"touch\""]).await
    }
}

/// A buyer on a phone.
async fn comes_by_phone(office: &Office) -> Browser {
    let mut browser = office.gateway.browser();
    let request = navigation(browser.request("POST", "/login")).header("user-agent", PHONE);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let form = "username=buyer&password=buyer";
    let page = browser.keep("/login", request, form).await;
    assert_eq!(page.status, 302);
    browser
}

async fn fetch_with(browser: &mut Browser, target: &str, header: (&str, &str)) -> String {
    let request = script(browser.request("GET", target)).header(header.0, header.1);
    browser.keep(target, request, "").await.refusal().to_owned()
}

/// A morning in which seven sessions end by a limit, one by a logout and one by another login.
async fn morning(office: &Office) {
    let (mut a, mut b) = (office.comes("buyer").await, office.comes("buyer").await);
    let (mut c, mut d) = (office.comes("approver").await, comes_by_phone(office).await);
    let mut e = office.comes("buyer").await;
    office.later("4m");
    office.serves(&mut c, "/home").await;
    office.later("4m");
    office.serves(&mut c, "/home").await;
    assert_eq!(fetch_with(&mut d, "/home", ("user-agent", PHONE)).await, "");
    office.later("2m");
    office.serves(&mut a, "/home").await;
    office.serves(&mut b, "/poll").await;
    office
        .refuses(&mut e, "/bank/1", "session_idle_timeout")
        .await;
    office.later("3m");
    office
        .refuses(&mut c, "/home", "session_idle_timeout")
        .await;
    office.later("2m");
    office.sweeps(3).await;
    office.later("3m");
    let refusal = fetch_with(&mut d, "/home", ("user-agent", PHONE)).await;
    assert_eq!(refusal, "session_idle_timeout");
    office.later("5m");
    office.serves(&mut a, "/rotate").await;
    office.later("10m");
    office.serves(&mut a, "/feed").await;
    office.later("5m");
    office.sweeps(5).await;

    let mut f = office.comes("buyer").await;
    f.open("/logout").await;
    let mut g = office.comes("buyer").await;
    g.log_in("buyer").await;
    let mut h = office.comes("buyer").await;
    office.later("10m");
    office.serves(&mut g, "/home").await;
    let background = ("x-background", "1");
    assert_eq!(fetch_with(&mut h, "/orders", background).await, "");
    office.later("5m");
    office
        .refuses(&mut h, "/orders", "session_idle_timeout")
        .await;
    office.sweeps(8).await;
    office.later("10m");
    office.sweeps(9).await;
}

/// A report that takes 20 minutes, and an approver who is active to the end of his day.
async fn afternoon(office: &Office) {
    let mut i = office.comes("buyer").await;
    let asked = tokio::spawn({
        let mut i = i.clone();
        async move { i.fetch("/slow").await }
    });
    eventually("the watch has seen the work", async || {
        office.later("1s");
        let before = office.touches().await;
        tokio::time::sleep(span("400ms")).await;
        (office.touches().await > before).then_some(())
    })
    .await;
    for _ in 0..2 {
        let before = office.touches().await;
        office.later("10m");
        eventually("a touch", async || {
            (office.touches().await > before).then_some(())
        })
        .await;
    }
    office.gate.open();
    assert_eq!(asked.await.expect("nobody panics").text(), "done");
    office.later("14m");
    office.serves(&mut i, "/home").await;
    office.later("15m");
    office
        .refuses(&mut i, "/home", "session_idle_timeout")
        .await;

    let mut j = office.comes("approver").await;
    for _ in 0..59 {
        office.later("4m");
        office.serves(&mut j, "/home").await;
    }
    office.later("4m");
    office
        .refuses(&mut j, "/home", "session_absolute_timeout")
        .await;
}

#[tokio::test]
async fn under_the_policy_that_was_in_force_it_predicts_what_was_recorded() {
    let office = Office::opens(&day()).await;
    morning(&office).await;
    afternoon(&office).await;
    office.sweeps(11).await;
    let mut last = office.comes("buyer").await;
    last.fetch("/last").await;

    let log = office.gateway.access_log("/last").await;
    let ends = office.gateway.events("end", 11).await;
    let (predictions, tally) = run(&office.gateway.parsed(&day()), &log);
    assert_eq!(predicted(&predictions), recorded(&ends));
    assert_eq!(predictions.len(), recorded(&ends).len());
    let (buyer, approver) = (role(&tally, "buyer"), role(&tally, "approver"));
    assert_eq!((buyer.met, buyer.really_turned_away), (4, 4));
    assert_eq!((approver.met, approver.really_turned_away), (2, 2));
    assert_eq!((buyer.users, approver.users), (1, 1));
    let gone_on: u64 = tally.roles.iter().map(|role| role.would_have_gone_on).sum();
    assert_eq!((gone_on, tally.alive_at_the_end), (0, 1));
    assert!(!log.contains("approver\",\"user"), "the log names nobody");
}

#[tokio::test]
async fn under_a_tighter_policy_it_tells_who_would_have_been_cut_at_work() {
    let office = Office::opens(&day()).await;
    let mut busy = office.comes("buyer").await;
    let mut slow = office.comes("buyer").await;
    for _ in 0..2 {
        office.later("6m");
        office.serves(&mut busy, "/home").await;
    }
    office.serves(&mut slow, "/poll").await;
    busy.fetch("/last").await;
    let log = office.gateway.access_log("/last").await;
    let tight = day().replacen("idle = \"15m\"", "idle = \"5m\"", 1);
    let (ends, tally) = run(&office.gateway.parsed(&tight), &log);
    let buyer = role(&tally, "buyer");
    // Twice a minute too late; the other one was away for good when the policy ended him.
    assert_eq!((ends.len(), buyer.ends.idle_timeout), (3, 3));
    assert_eq!((buyer.met, buyer.at_work), (3, 2));
    assert_eq!((buyer.really_turned_away, buyer.users_cut), (0, 1));
}

#[tokio::test]
async fn under_a_looser_policy_what_was_cut_is_known_to_have_gone_on_and_no_more() {
    let office = Office::opens(&day()).await;
    let mut browser = office.comes("buyer").await;
    office.later("15m");
    office
        .refuses(&mut browser, "/home", "session_idle_timeout")
        .await;
    browser.fetch("/last").await;
    let log = office.gateway.access_log("/last").await;
    let loose = day().replacen("idle = \"15m\"", "idle = \"30m\"", 1);
    let (ends, tally) = run(&office.gateway.parsed(&loose), &log);
    let buyer = role(&tally, "buyer");
    assert_eq!(ends, []);
    assert_eq!((buyer.really_turned_away, buyer.would_have_gone_on), (1, 1));
}

#[tokio::test]
async fn a_log_of_monitor_mode_predicts_the_would_be_ends_that_were_told() {
    let monitored = format!("mode = \"monitor\"\n{}", "[apps.session]");
    let policy = day().replace("[apps.session]", &monitored);
    let office = Office::opens(&policy).await;
    let mut browser = office.comes("buyer").await;
    office.later("15m");
    office.serves(&mut browser, "/home").await;
    office.later("10m");
    office.serves(&mut browser, "/bank/1").await;
    browser.fetch("/last").await;
    let told = office.gateway.events("would_end", 2).await;
    let log = office.gateway.access_log("/last").await;
    assert!(log.contains("\"would\":\"idle_timeout\""));
    let (ends, tally) = run(&office.gateway.parsed(&policy), &log);
    assert_eq!(predicted(&ends), recorded(&told));
    assert_eq!(role(&tally, "buyer").at_work, 2);
}

/// What `explain` says of a role's idle timeout at a request.
fn explained(config: &Config, role: &str, target: &str) -> (u64, String) {
    let roles = [RoleName::new(role)];
    let who = Who::Anybody {
        holder: Holder::Authenticated(&roles),
        device: Seen::Nobody,
    };
    let headers: [&str; 0] = [];
    let request = Described::new(target, None, &headers).expect("a request");
    let told = explain(config, &config.apps[0], who, Some(&request)).expect("an answer");
    (told.idle.after_ms, told.idle.rule)
}

#[tokio::test]
async fn the_same_request_explained_simulated_and_really_made_agree() {
    for (user, target) in [
        ("buyer", "/home"),
        ("buyer", "/bank/7"),
        ("approver", "/home"),
        ("approver", "/bank/7"),
        ("buyer", "/poll"),
    ] {
        let office = Office::opens(&day()).await;
        let config = office.gateway.parsed(&day());
        let (after, rule) = explained(&config, user, target);
        let (mut early, mut late) = (office.comes(user).await, office.comes(user).await);
        let just_before = std::time::Duration::from_millis(after - 1);
        office.gateway.advance(just_before);
        office.serves(&mut early, target).await;
        office.later("1ms");
        office
            .refuses(&mut late, target, "session_idle_timeout")
            .await;
        late.fetch("/last").await;

        let ends = office.gateway.events("end", 1).await;
        let log = office.gateway.access_log("/last").await;
        let (predictions, _) = run(&config, &log);
        let mut expected = recorded(&ends);
        if target == "/poll" {
            // Served, and no activity: that one ends at the same instant.
            office.sweeps(2).await;
            expected = recorded(&office.gateway.events("end", 2).await);
        }
        assert_eq!(predicted(&predictions), expected, "{user} {target}");
        assert!(expected.iter().all(|(.., by)| *by == rule), "{expected:?}");
    }
}
