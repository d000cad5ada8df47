//! The cookies that accompany an id: bound to its session by their keyed hashes when the app sets
//! them, and held against it at every request.

use std::sync::Arc;

use crate::config::app::App;
use crate::config::carrier::SessionShape;
use crate::domain::decide::Company;
use crate::domain::identity::Keyring;
use crate::domain::session::{Companion, CookieScope, Session};

use super::answer_cookies::AnswerCookies;
use super::carriers::Presented;

/// Scopes that one session remembers. An app that sets its cookies at more places than these is
/// expired at those alone.
pub(crate) const SCOPES_MAX: usize = 16;

/// The companions of a session after an answer: those of before, as the answer changed them.
pub(crate) fn companions(
    app: &App,
    keys: &Keyring,
    before: Option<&Session>,
    cookies: &AnswerCookies,
) -> Vec<Companion> {
    let mut companions = before.map_or(Vec::new(), |session| session.companions.clone());
    for name in app.shape.group.iter().chain(&app.shape.auth_cookies) {
        let known = companions
            .iter()
            .position(|companion| *companion.name == **name);
        if cookies.deletes(name) {
            if let Some(index) = known {
                companions.swap_remove(index);
            }
            continue;
        }
        let Some(value) = cookies.value_of(name) else {
            continue;
        };
        let current = keys.fingerprint(&app.namespace, name, value);
        match known {
            Some(index) if companions[index].current == current => {}
            Some(index) => {
                let previous = Some(companions[index].current);
                companions[index] = Companion {
                    name: Arc::clone(&companions[index].name),
                    current,
                    previous,
                };
            }
            None => {
                companions.push(Companion {
                    name: name.as_str().into(),
                    current,
                    previous: None,
                });
            }
        }
    }
    companions
}

/// The companions of a session that is adopted: what the request presents of each name. Where that
/// is several values, the first, and the others are foreign.
pub(crate) fn adopted(presented: &Presented, app: &App, keys: &Keyring) -> Vec<Companion> {
    let shape = &app.shape;
    let lists = [
        (&shape.group, &presented.group),
        (&shape.auth_cookies, &presented.auth_cookies),
    ];
    let mut companions = Vec::new();
    for (names, values) in lists {
        for (index, name) in names.iter().enumerate() {
            if let Some(first) = values.iter().find(|companion| companion.index == index) {
                companions.push(Companion {
                    name: name.as_str().into(),
                    current: keys.fingerprint(&app.namespace, name, &first.value),
                    previous: None,
                });
            }
        }
    }
    companions
}

/// Where a session's cookies were set, after an answer.
pub(crate) fn scopes(
    app: &App,
    before: Option<&Session>,
    cookies: &AnswerCookies,
) -> Vec<CookieScope> {
    let mut scopes = before.map_or(Vec::new(), |session| session.scopes.clone());
    for scope in cookies.scopes(|name| app.shape.owns_cookie(name)) {
        if scopes.len() < SCOPES_MAX && !scopes.contains(scope) {
            scopes.push(scope.clone());
        }
    }
    scopes
}

/// Whether the group's cookies in a request belong to a session.
pub(crate) fn company(
    presented: &Presented,
    shape: &SessionShape,
    session: &Session,
    keys: &Keyring,
    namespace: &str,
) -> Company {
    for (index, name) in shape.group.iter().enumerate() {
        let bound = session
            .companions
            .iter()
            .find(|companion| *companion.name == **name);
        let mut values = presented.group_values(index).peekable();
        match bound {
            Some(_) if values.peek().is_none() => return Company::Partial,
            Some(bound) if values.all(|value| belongs(bound, keys, namespace, value)) => {}
            None if values.peek().is_none() => {}
            Some(_) | None => return Company::Foreign,
        }
    }
    Company::Whole
}

/// Whether an auth cookie in a request was set for this session.
pub(crate) fn auth_cookie_belongs(
    name: &str,
    value: &[u8],
    session: &Session,
    keys: &Keyring,
    namespace: &str,
) -> bool {
    session
        .companions
        .iter()
        .any(|bound| *bound.name == *name && belongs(bound, keys, namespace, value))
}

fn belongs(bound: &Companion, keys: &Keyring, namespace: &str, value: &[u8]) -> bool {
    let matches = |known| keys.recognises(known, namespace, &bound.name, value);
    matches(bound.current) || bound.previous.is_some_and(matches)
}
