//! What an administrator can say about time, held against what users and the audit then see.

mod authority;
mod count;
mod devices;
mod edits;
mod explained;
mod monitor;
mod passive;
mod reauthentication;
mod rehearsed;
mod routes;
mod token;
mod work;

use crate::harness::app::{LegacyApp, form_app};
use crate::harness::browser::Browser;
use crate::harness::gateway::Gateway;

/// `form_app` under a policy, and a user who has logged in.
async fn logged_in(policy: &str, user: &str) -> (LegacyApp, Gateway, Browser) {
    let app = LegacyApp::start(form_app()).await;
    let gateway = Gateway::with(&app, policy).await;
    let mut browser = gateway.browser();
    browser.log_in(user).await;
    (app, gateway, browser)
}

/// A request is served, and the app saw it.
async fn is_served(app: &LegacyApp, browser: &mut Browser, target: &str) {
    let before = app.count();
    let page = browser.fetch(target).await;
    assert_eq!(page.refusal(), "", "{target} is refused");
    assert_eq!(app.count(), before + 1);
}

/// A request is refused for this reason, and the app saw nothing of it.
async fn is_over(app: &LegacyApp, browser: &mut Browser, target: &str, reason: &str) {
    let before = app.count();
    let page = browser.fetch(target).await;
    assert_eq!(page.refusal(), reason, "{target}");
    assert_eq!(app.count(), before, "a stale request reached the app");
}
