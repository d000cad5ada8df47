//! The ways in which applications differ, one test each; `docs/testing.md` lists them.
//!
//! Each app is scripted to behave in its way, and each policy says so. That a login was learned is
//! seen by its effect: the limits of its user's role hold, and the app no longer sees the id.

mod beliefs;
mod clients;
mod ids;
mod logins;
mod logouts;

use crate::harness::app::LegacyApp;
use crate::harness::browser::Browser;
use crate::harness::gateway::Gateway;
use crate::harness::span;

/// The buyer's idle timeout holds for what this browser opens: to the millisecond, no earlier, and
/// then the app sees nothing of it.
async fn has_the_buyers_limits(
    gateway: &Gateway,
    app: &LegacyApp,
    browser: &mut Browser,
    target: &str,
) {
    let served = browser.fetch(target).await;
    assert_eq!(
        served.refusal(),
        "",
        "{target} needs the login that was seen"
    );
    gateway.advance(span("14m 59s 999ms"));
    let served = browser.fetch(target).await;
    assert_eq!(
        served.refusal(),
        "",
        "the role is the buyer's, not the strictest"
    );
    gateway.advance(span("15m"));
    let before = app.count();
    let refused = browser.fetch(target).await;
    assert_eq!(refused.refusal(), "session_idle_timeout");
    assert_eq!(app.count(), before, "a stale request reached the app");
}

/// The audit tells of these logins, in order.
async fn logins_were(gateway: &Gateway, users: &[&str]) {
    let events = gateway.events("login", users.len()).await;
    let told: Vec<&str> = events
        .iter()
        .map(|event| event["user"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(told, users);
}
