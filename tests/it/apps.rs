//! The ways in which applications differ, one test each; `docs/testing.md` lists them.
//!
//! Each app is scripted to behave in its way, and each policy says so. That a login was learned is
//! seen by its effect: the limits of its user's role hold, and the app no longer sees the id.

mod beliefs;
mod clients;
mod ids;
mod logins;
mod logouts;

use std::collections::BTreeSet;

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

/// The names of the tests in a source text.
fn tests_of(source: &str) -> impl Iterator<Item = &str> {
    source.split("#[tokio::test]\n").skip(1).filter_map(|test| {
        let (_, rest) = test.split_once("async fn ")?;
        rest.split('(').next()
    })
}

#[test]
fn the_documentation_lists_every_way_with_its_test() {
    let page = include_str!("../../docs/testing.md");
    let (_, table) = page.split_once("| an app whose … |").unwrap_or_default();
    let listed: BTreeSet<&str> = table.split('`').filter(|name| name.contains('_')).collect();
    let sources = [
        include_str!("apps/beliefs.rs"),
        include_str!("apps/logins.rs"),
        include_str!("apps/ids.rs"),
        include_str!("apps/logouts.rs"),
        include_str!("apps/clients.rs"),
    ];
    let written: BTreeSet<&str> = sources.into_iter().flat_map(tests_of).collect();
    assert_eq!(listed, written);
}
