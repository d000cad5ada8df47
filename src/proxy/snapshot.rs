//! The configuration in force and what is derived from it at load. A reload swaps it whole.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderValue;

use crate::config::Config;
use crate::config::app::App;
use crate::config::carrier::Carrier;
use crate::domain::identity::Sid;
use crate::domain::session::CookieScope;
use crate::telemetry::metrics::{AppMetrics, Metrics};

use super::bind::SCOPES_MAX;
use super::set_cookie;

/// The configuration in force.
pub(crate) struct Snapshot {
    pub(crate) config: Arc<Config>,
    pub(crate) apps: Vec<Arc<AppRuntime>>,
}

impl Snapshot {
    pub(crate) fn new(config: Arc<Config>, metrics: &Metrics) -> Self {
        let apps = config.apps.iter();
        let apps = apps.map(|app| Arc::new(AppRuntime::new(app, &config, metrics))).collect();
        Self { config, apps }
    }

    pub(crate) fn app_named(&self, name: &str) -> Option<&Arc<AppRuntime>> {
        self.apps.iter().find(|app| *app.app.name == *name)
    }
}

/// One app and what the gateway learned about it.
pub(crate) struct AppRuntime {
    pub(crate) app: Arc<App>,
    pub(crate) metrics: AppMetrics,
    pub(crate) relogged: Relogged,
    /// Where the app was seen to set its cookies: what a refusal of an unknown id expires.
    seen_scopes: Mutex<Vec<CookieScope>>,
}

impl AsRef<App> for Arc<AppRuntime> {
    fn as_ref(&self) -> &App {
        &self.app
    }
}

impl AppRuntime {
    fn new(app: &Arc<App>, config: &Config, metrics: &Metrics) -> Self {
        Self {
            app: Arc::clone(app),
            metrics: metrics.for_app(app, &config.policy),
            relogged: Relogged::default(),
            seen_scopes: Mutex::new(Vec::new()),
        }
    }

    /// The cookie that carries the id, where one does.
    pub(crate) fn id_cookie(&self) -> Option<&str> {
        self.app.shape.carriers.iter().find_map(|carrier| match carrier {
            Carrier::Cookie(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether a cookie is the id's, of its group, or an auth cookie.
    pub(crate) fn owns_cookie(&self, name: &str) -> bool {
        let shape = &self.app.shape;
        shape.carriers.iter().any(|carrier| matches!(carrier, Carrier::Cookie(id) if id == name))
            || shape.group.iter().chain(&shape.auth_cookies).any(|cookie| cookie == name)
    }

    /// Remembers where the app set its cookies.
    pub(crate) fn saw_scopes(&self, scopes: impl Iterator<Item = CookieScope>) {
        let mut seen = self.seen_scopes.lock().unwrap_or_else(PoisonError::into_inner);
        for scope in scopes {
            if seen.len() < SCOPES_MAX && !seen.contains(&scope) {
                seen.push(scope);
            }
        }
    }

    /// Set-Cookie values that expire the app's session cookies, each with the cookie's name:
    /// wherever these scopes were recorded, wherever else the app was seen to set them, and wherever the config says.
    pub(crate) fn expire(&self, mut scopes: Vec<CookieScope>) -> Vec<(Arc<str>, HeaderValue)> {
        let seen = self.seen_scopes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        scopes.extend(seen);
        for name in self.cookie_names() {
            for at in &self.app.expire_at {
                scopes.push(CookieScope {
                    name: name.into(),
                    path: Some(at.path.as_str().into()),
                    domain: at.domain.as_deref().map(Arc::from),
                });
            }
            if !scopes.iter().any(|scope| *scope.name == *name) {
                let path = Some(Arc::from("/"));
                scopes.push(CookieScope { name: name.into(), path, domain: None });
            }
        }
        let mut expired: Vec<(Arc<str>, HeaderValue)> = Vec::with_capacity(scopes.len());
        for scope in scopes {
            let cookie = (Arc::clone(&scope.name), set_cookie::expire(&scope));
            if !expired.contains(&cookie) {
                expired.push(cookie);
            }
        }
        expired
    }

    fn cookie_names(&self) -> impl Iterator<Item = &str> {
        let shape = &self.app.shape;
        let ids = shape.carriers.iter().filter_map(|carrier| match carrier {
            Carrier::Cookie(name) => Some(name.as_str()),
            _ => None,
        });
        ids.chain(shape.group.iter().map(String::as_str))
            .chain(shape.auth_cookies.iter().map(String::as_str))
    }
}

/// Dead ids whose browser has logged in since.
///
/// A refusal of such an id that comes late must not expire the cookie that the login has just
/// set: both have the same name. Kept by this gateway alone, for the latest of them.
#[derive(Default)]
pub(crate) struct Relogged(Mutex<VecDeque<Sid>>);

/// Dead ids that are remembered. A late answer is seconds late; this is many seconds of logins.
const RELOGGED_MAX: usize = 4096;

impl Relogged {
    pub(crate) fn remember(&self, sids: impl Iterator<Item = Sid>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for sid in sids {
            if known.len() == RELOGGED_MAX {
                known.pop_front();
            }
            known.push_back(sid);
        }
    }

    pub(crate) fn contains(&self, sid: &Sid) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(sid)
    }
}
