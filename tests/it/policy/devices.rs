//! Device classes: their limits, roles that say something else of them, and sessions that move.

use http::request;
use serde_json::Value;

use crate::harness::app::{FORM_APP, LegacyApp, form_app};
use crate::harness::browser::{Browser, HOST, Page, navigation, script};
use crate::harness::gateway::Gateway;
use crate::harness::span;

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Mobile/15E148";
const DESKTOP: &str = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0";

/// A phone class with 10 minutes, and what becomes of a session that moves.
fn mobile(on_device_change: &str) -> String {
    let class = "[devices.mobile]\nwhen = [{ user_agent = [\"iphone\"] }]\nidle = \"10m\"\n";
    let change = format!("on_device_change = \"{on_device_change}\"\n[apps.session]");
    format!("{class}{}", FORM_APP.replace("[apps.session]", &change))
}

/// A browser that says of itself what it is, and where it is.
struct Device {
    browser: Browser,
    says: Vec<(&'static str, &'static str)>,
}

impl Device {
    fn new(gateway: &Gateway, user_agent: &'static str) -> Self {
        Self {
            browser: gateway.browser(),
            says: vec![("user-agent", user_agent)],
        }
    }

    /// The same browser, which now says something else of itself.
    fn becomes(&mut self, user_agent: &'static str) {
        self.says = vec![("user-agent", user_agent)];
    }

    fn dressed(&self, request: request::Builder) -> request::Builder {
        self.says.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        })
    }

    async fn log_in(&mut self, user: &str) -> Page {
        let request = navigation(self.browser.request("POST", "/login"));
        let request = self.dressed(request);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let form = format!("username={user}&password={user}");
        let page = self.browser.keep("/login", request, &form).await;
        assert_eq!(page.status, 302, "{}", page.text());
        page
    }

    async fn open(&mut self, target: &str) -> Page {
        let request = navigation(self.browser.request("GET", target));
        let request = self.dressed(request);
        self.browser.keep(target, request, "").await
    }

    async fn fetch(&mut self, target: &str) -> Page {
        let request = script(self.browser.request("GET", target));
        let request = self.dressed(request);
        self.browser.keep(target, request, "").await
    }

    async fn is_served(&mut self) {
        let page = self.fetch("/home").await;
        assert_eq!(page.refusal(), "", "{:?}", self.says);
        assert!(page.text().starts_with("hello "), "{}", page.text());
    }

    async fn is_refused(&mut self, reason: &str) {
        let page = self.fetch("/home").await;
        assert_eq!(page.refusal(), reason, "{:?}", self.says);
    }
}

async fn gateway(policy: &str) -> (LegacyApp, Gateway) {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, policy).await;
    (app, gateway)
}

async fn logged_in(policy: &str, user_agent: &'static str) -> (LegacyApp, Gateway, Device) {
    let (app, gateway) = gateway(policy).await;
    let mut device = Device::new(&gateway, user_agent);
    device.log_in("buyer").await;
    (app, gateway, device)
}

/// The limits that the audit tells of an event.
fn rules(event: &Value) -> [&Value; 2] {
    ["idle_timeout", "absolute_timeout"].map(|limit| &event[limit]["rule"])
}

#[tokio::test]
async fn a_class_tightens_every_session_on_its_devices_and_no_other() {
    for (user_agent, class, just_before, rule) in [
        (PHONE, "mobile", "9m 59s 999ms", "device mobile"),
        (DESKTOP, "other", "14m 59s 999ms", "role buyer"),
    ] {
        let (_app, gateway, mut device) = logged_in(&mobile("record"), user_agent).await;
        let logins = gateway.events("login", 1).await;
        assert_eq!(logins[0]["device"], class);
        for _ in 0..3 {
            gateway.advance(span(just_before));
            device.is_served().await;
        }
        gateway.advance(span(just_before) + span("1ms"));
        device.is_refused("session_idle_timeout").await;
        let ends = gateway.events("end", 1).await;
        assert_eq!(rules(&ends[0]), [&Value::from(rule), &"role buyer".into()]);
        assert_eq!(ends[0]["device"], class);
    }
}

#[tokio::test]
async fn without_classes_nothing_is_told_of_devices() {
    let (_app, gateway, mut device) = logged_in(FORM_APP, PHONE).await;
    device.becomes(DESKTOP);
    device.is_served().await;
    gateway.advance(span("15m"));
    device.is_refused("session_idle_timeout").await;
    gateway.events("end", 1).await;
    for event in gateway.audit() {
        assert_eq!(event["device"], Value::Null, "{event}");
        assert_ne!(event["event"], "device");
    }
}

#[tokio::test]
async fn a_session_that_moves_is_told_once_and_then_has_the_limits_of_its_new_class() {
    let (_app, gateway, mut device) = logged_in(&mobile("record"), DESKTOP).await;
    device.becomes(PHONE);
    let mut requests = Vec::new();
    let cookies = device.browser.jar.header(HOST, "/");
    let cookies = cookies.expect("it logged in");
    for _ in 0..20 {
        let browser = gateway.browser();
        let request = device.dressed(browser.request("GET", "/home"));
        let request = request.header("cookie", &cookies);
        requests.push(tokio::spawn(async move { browser.send(request, "").await }));
    }
    for request in requests {
        assert_eq!(request.await.expect("it was answered").refusal(), "");
    }
    for _ in 0..3 {
        device.is_served().await;
    }
    gateway.advance(span("1ms"));
    device.becomes(DESKTOP);
    device.is_served().await;
    gateway.advance(span("1ms"));
    device.becomes(PHONE);
    device.is_served().await;

    let moves = gateway.events("device", 3).await;
    let told: Vec<[&Value; 2]> = moves
        .iter()
        .map(|event| [&event["device_before"], &event["device"]])
        .collect();
    let (mobile, other) = (&Value::from("mobile"), &Value::from("other"));
    assert_eq!(told, [[other, mobile], [mobile, other], [other, mobile]]);
    assert_eq!(moves[0]["user"], "buyer");
    assert_eq!(moves[0]["client"], "127.0.0.1");
    assert_eq!(rules(&moves[0])[0], "device mobile");

    // Also when nobody comes back: the sweeper looks by the limits of the phone.
    gateway.advance(span("9m 59s 999ms"));
    gateway.sweep();
    device.is_served().await;
    gateway.advance(span("10m"));
    gateway.sweep();
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["idle_ms"], 600_000);
    assert_eq!(ends[0]["device"], "mobile");
    assert_eq!(rules(&ends[0])[0], "device mobile");
    assert_eq!(gateway.events("device", 3).await.len(), 3);
}

#[tokio::test]
async fn the_request_with_which_a_session_moves_loosens_nothing() {
    for (before, after) in [(PHONE, DESKTOP), (DESKTOP, PHONE)] {
        let (_app, gateway, mut device) = logged_in(&mobile("record"), before).await;
        gateway.advance(span("10m"));
        device.becomes(after);
        device.is_refused("session_idle_timeout").await;
        let ends = gateway.events("end", 1).await;
        assert_eq!(rules(&ends[0])[0], "device mobile");
    }
}

#[tokio::test]
async fn a_session_that_moves_ends_where_the_app_says_so() {
    let (_app, gateway, mut device) = logged_in(&mobile("end"), DESKTOP).await;
    device.is_served().await;
    device.becomes(PHONE);
    device.is_refused("session_device_changed").await;
    let ends = gateway.events("end", 1).await;
    assert_eq!(ends[0]["reason"], "device_changed");
    assert_eq!(ends[0]["device"], "other");
    let labels = ["reason=\"device_changed\""];
    let ended = gateway.metric("curfew_sessions_ended_total", &labels).await;
    assert_eq!(ended, 1.0);
    device.log_in("buyer").await;
    device.is_served().await;
    assert_eq!(gateway.events("login", 2).await[1]["device"], "mobile");
}

#[tokio::test]
async fn a_session_that_moves_is_refused_there_until_its_user_logs_in_on_that_device() {
    let (app, gateway, mut desktop) = logged_in(&mobile("reauthenticate"), DESKTOP).await;
    let mut phone = Device::new(&gateway, PHONE);
    let cookie = desktop.browser.jar.get("JSESSIONID").expect("it logged in");
    phone.browser.jar.put(HOST, "JSESSIONID", &cookie);
    let before = app.count();
    phone.is_refused("session_device_changed").await;
    assert_eq!(app.count(), before, "a stale request reached the app");
    let refused = gateway.events("refusal", 1).await;
    assert_eq!(refused[0]["reason"], "device_changed");
    // A script ends nothing: where it was, it goes on.
    desktop.is_served().await;

    // A person who opens a page is on the way to the login, and his session ends.
    let sent = phone.open("/home").await;
    let login = "/login?curfew_reason=session_device_changed";
    assert_eq!(
        (sent.status.as_u16(), sent.header("location")),
        (303, login)
    );
    assert_eq!(phone.open(login).await.text(), "<form>");
    assert_eq!(app.last().cookie("JSESSIONID"), None, "it came with its id");
    let home = phone.log_in("buyer").await;
    assert_eq!(home.header("location"), "/home");
    phone.is_served().await;
    desktop.is_refused("session_reauthenticated").await;
    let ends = gateway.events("end", 1).await;
    assert_eq!(
        (ends.len(), &ends[0]["reason"]),
        (1, &"reauthenticated".into())
    );
    let logins = gateway.events("login", 2).await;
    assert_eq!(ends[0]["lineage"], logins[0]["lineage"]);
}

#[tokio::test]
async fn classes_that_are_new_in_the_policy_end_nobody() {
    let (_app, gateway, mut device) = logged_in(FORM_APP, PHONE).await;
    gateway.reload(&mobile("end"));
    gateway.advance(span("9m 59s 999ms"));
    device.is_served().await;
    // From now on it is known.
    device.becomes(DESKTOP);
    device.is_refused("session_device_changed").await;
    let events = gateway.events("end", 1).await;
    assert_eq!(events[0]["device"], "mobile");
    assert!(
        gateway
            .audit()
            .iter()
            .all(|event| event["event"] != "device")
    );
}

/// Buyers may stay longer in the office, approvers less long on a phone. The class of the first
/// table that matches counts.
const OFFICE: &str = r#"
[[listeners]]
address = "127.0.0.1:0"
trusted_proxies = ["127.0.0.1"]

[devices.office]
when = [{ networks = ["10.20.0.0/16"] }]

[devices.mobile]
when = [{ user_agent = ["iphone"] }, { mobile = true }]

[roles.buyer]
idle = "15m"
absolute = "8h"
users = ["buyer"]

[roles.buyer.devices.office]
idle = "30m"
because = "the office is locked, and its forms are long"

[roles.approver]
idle = "5m"
absolute = "4h"
users = ["approver"]

[roles.approver.devices.mobile]
idle = "2m"
"#;

async fn from_there(
    user: &str,
    says: &[(&'static str, &'static str)],
) -> (LegacyApp, Gateway, Device) {
    let (app, gateway) = gateway(&format!("{OFFICE}{FORM_APP}")).await;
    let mut device = Device::new(&gateway, DESKTOP);
    device.says.extend(says);
    device.log_in(user).await;
    (app, gateway, device)
}

#[tokio::test]
async fn a_role_has_its_own_limits_on_a_class_and_longer_ones_by_network_alone() {
    const IN: (&str, &str) = ("x-forwarded-for", "10.20.1.1");
    const OUT: (&str, &str) = ("x-forwarded-for", "192.0.2.7");
    const LIAR: (&str, &str) = ("x-forwarded-for", "10.20.1.1, 192.0.2.7");
    const HINT: (&str, &str) = ("sec-ch-ua-mobile", "?1");
    for (user, says, limit, rule) in [
        ("buyer", &[IN][..], "30m", "role buyer on office"),
        ("buyer", &[OUT], "15m", "role buyer"),
        ("buyer", &[LIAR], "15m", "role buyer"),
        ("buyer", &[IN, HINT], "30m", "role buyer on office"),
        ("approver", &[OUT, HINT], "2m", "role approver on mobile"),
        ("approver", &[IN, HINT], "5m", "role approver"),
        (
            "nobody",
            &[OUT, HINT],
            "2m",
            "strictest of all roles (approver on mobile)",
        ),
    ] {
        let (_app, gateway, mut device) = from_there(user, says).await;
        gateway.advance(span(limit) - span("1ms"));
        assert_eq!(device.fetch("/home").await.refusal(), "", "{user} {says:?}");
        gateway.advance(span(limit));
        device.is_refused("session_idle_timeout").await;
        let ends = gateway.events("end", 1).await;
        assert_eq!(rules(&ends[0])[0], rule, "{user} {says:?}");
    }
}

#[tokio::test]
async fn whoever_leaves_the_network_leaves_its_longer_limit_at_once() {
    let (_app, gateway, mut device) =
        from_there("buyer", &[("x-forwarded-for", "10.20.1.1")]).await;
    gateway.advance(span("20m"));
    assert_eq!(device.fetch("/home").await.refusal(), "");
    gateway.advance(span("20m"));
    device.says = vec![("x-forwarded-for", "192.0.2.7")];
    device.is_refused("session_idle_timeout").await;
    let ends = gateway.events("end", 1).await;
    assert_eq!(rules(&ends[0])[0], "role buyer");
    assert_eq!(ends[0]["idle_timeout"]["after_ms"], 900_000);
}
