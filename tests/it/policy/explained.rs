//! What is explained of a session is what its requests then see.

use serde_json::Value;

use crate::harness::app::FORM_APP;
use crate::harness::gateway::Gateway;
use crate::harness::span;

use super::{is_over, is_served, logged_in};

async fn lineage(gateway: &Gateway) -> String {
    let logins = gateway.events("login", 1).await;
    logins[0]["lineage"]
        .as_str()
        .expect("it is text")
        .to_owned()
}

fn left(told: &Value) -> u64 {
    told["session"]["left"]["idle_ms"]
        .as_u64()
        .unwrap_or_default()
}

#[tokio::test]
async fn a_request_ends_the_session_exactly_when_its_explanation_says_so() {
    let policy = format!("{FORM_APP}\n[[apps.routes]]\npath = \"/approvals/**\"\nidle = \"4m\"\n");
    let (app, gateway, mut browser) = logged_in(&policy, "buyer").await;
    let lineage = lineage(&gateway).await;
    for (target, rule) in [
        ("/approvals/7", "route /approvals/**"),
        ("/x/../%61pprovals/7", "route /approvals/**"),
        ("/home", "role buyer"),
    ] {
        let query = format!("?path={}", target.replace('%', "%25"));
        let told = gateway.explain(&lineage, &query).await;
        assert_eq!(told["explanation"]["idle"]["rule"], rule, "{target}");
        gateway.advance(span("1ms").mul_f64((left(&told) - 1) as f64));
        assert_eq!(left(&gateway.explain(&lineage, &query).await), 1);
        is_served(&app, &mut browser, target).await;
        assert_eq!(left(&gateway.explain(&lineage, &query).await), left(&told));
    }
    let query = "?path=/approvals/7";
    gateway.advance(span("4m"));
    let told = gateway.explain(&lineage, query).await;
    assert_eq!(told["session"]["state"], "due");
    assert_eq!(told["session"]["reason"], "idle_timeout");
    is_over(&app, &mut browser, "/approvals/7", "session_idle_timeout").await;
    let told = gateway.explain(&lineage, query).await;
    assert_eq!(told["session"]["state"], "ended");
}

#[tokio::test]
async fn to_be_explained_is_no_activity() {
    let (app, gateway, mut browser) = logged_in(FORM_APP, "buyer").await;
    let lineage = lineage(&gateway).await;
    gateway.advance(span("14m"));
    gateway.explain(&lineage, "?path=/home").await;
    gateway.advance(span("1m"));
    is_over(&app, &mut browser, "/home", "session_idle_timeout").await;
}

#[tokio::test]
async fn a_reload_changes_the_explanation_of_a_live_session() {
    let (_app, gateway, _browser) = logged_in(FORM_APP, "buyer").await;
    let lineage = lineage(&gateway).await;
    gateway.reload(&format!("[ceiling]\nidle = \"7m\"\n{FORM_APP}"));
    let told = gateway.explain(&lineage, "").await;
    assert_eq!(told["explanation"]["idle"]["rule"], "ceiling");
    assert_eq!(left(&told), 420_000);
    let before = &told["session"]["recorded_under"];
    assert_ne!(before, &told["explanation"]["policy"]);
}

const CLASSES: &str = "[devices.mobile]\nwhen = [{ user_agent = [\"Mobile\"] }]\nidle = \"4m\"\n";

#[tokio::test]
async fn no_device_that_a_described_request_tells_is_judged_otherwise_than_the_request_itself() {
    for (on_change, refusal, note) in [
        ("record", "", "the change is told, and the session goes on"),
        (
            "reauthenticate",
            "session_device_changed",
            "refused there until its user logs in on that device",
        ),
        ("end", "session_device_changed", "it ends the session"),
    ] {
        let app = format!("name = \"procurement\"\non_device_change = \"{on_change}\"");
        let policy = FORM_APP.replace("name = \"procurement\"", &app);
        let (_app, gateway, mut browser) = logged_in(&format!("{CLASSES}{policy}"), "buyer").await;
        let lineage = lineage(&gateway).await;
        let query = "?path=/home&header=User-Agent:%20Mobile";
        let told = gateway.explain(&lineage, query).await;
        let explanation = &told["explanation"];
        assert_eq!(explanation["idle"]["rule"], "device mobile");
        let said = format!("on a device mobile, and the session began on other: {note}");
        assert_eq!(explanation["request"]["notes"][0], said);
        assert_eq!(
            told["session"]["reason"] == "device_changed",
            on_change == "end"
        );
        let asked = browser
            .request("GET", "/home")
            .header("user-agent", "Mobile");
        assert_eq!(browser.keep("/home", asked, "").await.refusal(), refusal);
    }
}
