//! The configuration in force and what is derived from it at load. A reload swaps it whole.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::app::{App, Source};
use crate::config::carrier::Carrier;
use crate::config::{Config, Waits};
use crate::domain::decide::Live;
use crate::domain::identity::Sid;
use crate::domain::session::CookieScope;
use crate::domain::time::Timestamp;
use crate::telemetry::metrics::{AppMetrics, Metrics};

use super::adoption::Adoption;
use super::bind::SCOPES_MAX;
use super::upstream::Upstreams;

/// The configuration in force.
pub(crate) struct Snapshot {
    pub(crate) config: Arc<Config>,
    pub(crate) apps: Vec<Arc<AppRuntime>>,
}

impl Snapshot {
    /// `before` are the apps of the configuration that was in force.
    pub(crate) fn new(config: Arc<Config>, metrics: &Metrics, before: &[Arc<AppRuntime>]) -> Self {
        let apps = config.apps.iter();
        let apps = apps
            .map(|app| Arc::new(AppRuntime::new(app, &config, metrics, before)))
            .collect();
        Self { config, apps }
    }
}

/// One app and what the gateway learned about it.
pub(crate) struct AppRuntime {
    pub(crate) app: Arc<App>,
    pub(crate) upstreams: Arc<Upstreams>,
    pub(crate) metrics: AppMetrics,
    pub(crate) relogged: Relogged,
    pub(crate) adoption: Arc<Adoption>,
    /// Cookies that an answer is read for: its own, and those that recipes read.
    pub(crate) read_cookies: Vec<String>,
    /// Where the app was seen to set its cookies: what a refusal of an unknown id expires.
    seen_scopes: Mutex<Vec<CookieScope>>,
}

impl AsRef<App> for Arc<AppRuntime> {
    fn as_ref(&self) -> &App {
        &self.app
    }
}

impl AppRuntime {
    fn new(app: &Arc<App>, config: &Config, metrics: &Metrics, before: &[Arc<Self>]) -> Self {
        Self {
            read_cookies: read_cookies(app),
            app: Arc::clone(app),
            upstreams: upstreams(app, &config.waits, before),
            metrics: metrics.for_app(app, &config.policy),
            relogged: Relogged::default(),
            adoption: adoption(app, before),
            seen_scopes: Mutex::new(Vec::new()),
        }
    }

    /// A request moved its session's idle clock.
    pub(crate) fn was_active(&self, live: &Live, at: Timestamp) {
        let role = self.metrics.role_of(&live.session);
        let gap = at.since(live.last_active);
        let rehearsal = live.rehearsal.as_ref();
        let limits = rehearsal.map_or(&live.limits, |rehearsal| &rehearsal.limits);
        self.metrics.idle_gap(role, gap, limits.idle.after);
    }

    /// The cookie that carries the id, where one does.
    pub(crate) fn id_cookie(&self) -> Option<&str> {
        self.app
            .shape
            .carriers
            .iter()
            .find_map(|carrier| match carrier {
                Carrier::Cookie(name) => Some(name.as_str()),
                _ => None,
            })
    }

    /// Whether a cookie is the id's, of its group, or an auth cookie.
    pub(crate) fn owns_cookie(&self, name: &str) -> bool {
        self.app.shape.owns_cookie(name)
    }

    /// Remembers where the app set its cookies.
    pub(crate) fn saw_scopes<'a>(&self, scopes: impl Iterator<Item = &'a CookieScope>) {
        let mut seen = self
            .seen_scopes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        for scope in scopes {
            if seen.len() < SCOPES_MAX && !seen.contains(scope) {
                seen.push(scope.clone());
            }
        }
    }

    /// Every scope at which the app's session cookies may stand: these, wherever else the app was
    /// seen to set them, and wherever the config says.
    pub(crate) fn scopes(&self, mut scopes: Vec<CookieScope>) -> Vec<CookieScope> {
        let seen = self
            .seen_scopes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        scopes.extend(seen);
        for name in self.app.shape.cookie_names() {
            scopes.extend(self.app.expire_at.iter().map(|at| CookieScope {
                name: name.into(),
                path: Some(at.path.as_str().into()),
                domain: at.domain.as_deref().map(Arc::from),
            }));
            if !scopes.iter().any(|scope| *scope.name == *name) {
                scopes.push(CookieScope {
                    name: name.into(),
                    path: None,
                    domain: None,
                });
            }
        }
        let mut once: Vec<CookieScope> = Vec::with_capacity(scopes.len());
        for scope in scopes {
            if !once.contains(&scope) {
                once.push(scope);
            }
        }
        once
    }
}

/// An adoption goes on, or stays stopped, over a reload that leaves its date as it was.
fn adoption(app: &App, before: &[Arc<AppRuntime>]) -> Arc<Adoption> {
    let same = |before: &&Arc<AppRuntime>| {
        before.app.name == app.name && before.app.adopt_until == app.adopt_until
    };
    match before.iter().find(same) {
        Some(before) => Arc::clone(&before.adoption),
        None => Arc::new(Adoption::new(app.adopt_until)),
    }
}

/// Connections are kept over a reload that leaves an app's servers as they were.
fn upstreams(app: &App, waits: &Waits, before: &[Arc<AppRuntime>]) -> Arc<Upstreams> {
    let same = |before: &&Arc<AppRuntime>| {
        before.app.name == app.name && before.upstreams.are(&app.upstreams, waits)
    };
    match before.iter().find(same) {
        Some(before) => Arc::clone(&before.upstreams),
        None => Arc::new(Upstreams::new(&app.upstreams, waits)),
    }
}

fn read_cookies(app: &App) -> Vec<String> {
    let told = app.logins.iter().flat_map(|recipe| {
        let extractors = recipe.user.iter().chain(&recipe.groups);
        let cookies = extractors.filter_map(|extractor| match &extractor.source {
            Source::AnswerCookie { name, .. } => Some(name),
            _ => None,
        });
        cookies.chain(&recipe.success.cookie)
    });
    let told = told.map(String::as_str);
    app.shape
        .cookie_names()
        .chain(told)
        .map(str::to_owned)
        .collect()
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
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(sid)
    }
}
