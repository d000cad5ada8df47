//! Every session id of a request, wherever it travels, and taking ids out again.
//!
//! `presented` is the gate of promise 1: if all ids it returns are alive, then no server, however it reads
//! the request, finds another one. A request of which that cannot be said is refused as ambiguous. An empty
//! value is no id, but it is stripped like one.

use std::fmt;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, COOKIE},
    request::Parts,
};

use crate::{
    config::carrier::{AuthorizationRule, Carrier, SessionShape},
    proxy::cookies::{self, Kept, Pair, canonical},
    routing::names,
};

mod target;

/// Ids that one request may present. A browser sends a few, where Paths overlap; each costs a look-up.
pub(crate) const IDS_MAX: usize = 8;

/// Group and auth cookies that one request may present, counted apart.
pub(crate) const COMPANIONS_MAX: usize = 16;

/// A session id as the app issued it, in canonical form. It shows itself to nobody.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(crate) struct SessionId(Box<[u8]>);

impl SessionId {
    /// The id in `value`, which is canonical already.
    pub(crate) fn new(value: &[u8]) -> Self {
        Self(value.into())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionId(redacted)")
    }
}

/// A cookie that accompanies the id.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Companion {
    /// Its place in the shape's list.
    pub(crate) index: usize,
    /// Its canonical value.
    pub(crate) value: Box<[u8]>,
}

impl fmt::Debug for Companion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Companion({}, redacted)", self.index)
    }
}

/// What a request presents, each value once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Presented {
    pub(crate) ids: Vec<SessionId>,
    pub(crate) group: Vec<Companion>,
    pub(crate) auth_cookies: Vec<Companion>,
}

/// Why the carriers of a request cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CarrierProblem {
    TooMany,
    Ambiguous,
}

impl CarrierProblem {
    /// The machine-readable name of the problem.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::TooMany => "session_ids_too_many",
            Self::Ambiguous => "session_id_ambiguous",
        }
    }

    /// What to tell the client.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::TooMany => {
                "The request presents too many session ids; delete this site's cookies."
            }
            Self::Ambiguous => {
                "The request presents a session id that servers read in different ways; delete this site's cookies."
            }
        }
    }
}

/// What to take out of a request.
#[derive(Clone, Copy)]
pub(crate) enum Strip<'a> {
    /// Everything that is or logs in to a session: ids, group, auth cookies, and `Authorization` unless it may pass.
    Session,
    /// The same, but for `Authorization` of a scheme that is no carrier: a public route may have a use for it.
    Ids,
    /// The auth cookies for whose index and canonical value this is true.
    AuthCookies(&'a dyn Fn(usize, &[u8]) -> bool),
    /// `Authorization` of a scheme that is no carrier, unless it may pass.
    ForeignAuthorization,
}

/// Every id that `parts` presents, and the cookies that accompany it.
pub(crate) fn presented(parts: &Parts, shape: &SessionShape) -> Result<Presented, CarrierProblem> {
    let mut presented = Presented::default();
    for pair in cookies::pairs(&parts.headers) {
        if shape.hidden_in(&pair) {
            return Err(CarrierProblem::Ambiguous);
        }
        match shape.role_of(&pair) {
            Some(CookieRole::Id) => presented.add_id(pair.value())?,
            Some(CookieRole::Group(index)) => {
                add_companion(&mut presented.group, index, pair.value())?
            }
            Some(CookieRole::Auth(index)) => {
                add_companion(&mut presented.auth_cookies, index, pair.value())?
            }
            None => {}
        }
    }
    for carrier in &shape.carriers {
        presented.add_carried(parts, carrier)?;
    }
    Ok(presented)
}

/// Takes out what `what` names and leaves every other byte as it was.
/// Only for a request that `presented` did not refuse.
pub(crate) fn strip(parts: &mut Parts, shape: &SessionShape, what: Strip<'_>) {
    match what {
        Strip::Session | Strip::Ids => {
            let passes =
                matches!(what, Strip::Ids) || shape.authorization == AuthorizationRule::Pass;
            strip_cookies(&mut parts.headers, |pair| {
                shape.role_of(pair).is_some() || shape.hidden_in(pair)
            });
            for carrier in &shape.carriers {
                match carrier {
                    Carrier::Cookie(_) | Carrier::Authorization(_) => {}
                    Carrier::PathParameter(name) => target::strip_path(&mut parts.uri, name),
                    Carrier::Query(name) => target::strip_query(&mut parts.uri, name),
                    Carrier::Header(name) => {
                        parts.headers.remove(name);
                    }
                }
            }
            keep_values(&mut parts.headers, &AUTHORIZATION, |header| {
                passes && !shape.carries(header)
            });
        }
        Strip::AuthCookies(failing) => strip_cookies(
            &mut parts.headers,
            |pair| matches!(shape.role_of(pair), Some(CookieRole::Auth(index)) if failing(index, pair.value())),
        ),
        Strip::ForeignAuthorization => keep_values(&mut parts.headers, &AUTHORIZATION, |header| {
            shape.authorization == AuthorizationRule::Pass || shape.is_led_by_carrier(header)
        }),
    }
}

impl Presented {
    /// The values of the group's cookie of this index.
    pub(crate) fn group_values(&self, index: usize) -> impl Iterator<Item = &[u8]> {
        let of_name = self
            .group
            .iter()
            .filter(move |companion| companion.index == index);
        of_name.map(|companion| &*companion.value)
    }

    /// The ids of one carrier; cookies were read before.
    fn add_carried(&mut self, parts: &Parts, carrier: &Carrier) -> Result<(), CarrierProblem> {
        match carrier {
            Carrier::Cookie(_) => Ok(()),
            Carrier::PathParameter(name) if target::path_hides(&parts.uri, name) => {
                Err(CarrierProblem::Ambiguous)
            }
            Carrier::PathParameter(name) => {
                target::path_ids(&parts.uri, name).try_for_each(|value| self.add_id(&value))
            }
            Carrier::Query(name) if target::query_hides(&parts.uri, name) => {
                Err(CarrierProblem::Ambiguous)
            }
            Carrier::Query(name) => {
                target::query_ids(&parts.uri, name).try_for_each(|value| self.add_id(&value))
            }
            Carrier::Authorization(scheme) => {
                let headers = parts.headers.get_all(AUTHORIZATION).iter();
                headers
                    .flat_map(|header| credentials(header, scheme))
                    .try_for_each(|value| self.add_id(value))
            }
            Carrier::Header(name) => {
                let mut headers = parts.headers.get_all(name).iter();
                headers.try_for_each(|header| self.add_id(canonical(header.as_bytes())))
            }
        }
    }

    fn add_id(&mut self, value: &[u8]) -> Result<(), CarrierProblem> {
        if value.is_empty() || self.ids.iter().any(|id| id.as_bytes() == value) {
            return Ok(());
        }
        if self.ids.len() == IDS_MAX {
            return Err(CarrierProblem::TooMany);
        }
        self.ids.push(SessionId::new(value));
        Ok(())
    }
}

fn add_companion(
    list: &mut Vec<Companion>,
    index: usize,
    value: &[u8],
) -> Result<(), CarrierProblem> {
    let known = |companion: &Companion| companion.index == index && *companion.value == *value;
    if value.is_empty() || list.iter().any(known) {
        return Ok(());
    }
    if list.len() == COMPANIONS_MAX {
        return Err(CarrierProblem::TooMany);
    }
    list.push(Companion {
        index,
        value: value.into(),
    });
    Ok(())
}

/// What a cookie is to the session.
#[derive(Clone, Copy)]
enum CookieRole {
    Id,
    Group(usize),
    Auth(usize),
}

impl SessionShape {
    fn cookies(&self) -> impl Iterator<Item = (CookieRole, &str)> + Clone {
        let ids = self.carriers.iter().filter_map(|carrier| match carrier {
            Carrier::Cookie(name) => Some((CookieRole::Id, name.as_str())),
            _ => None,
        });
        let group = self
            .group
            .iter()
            .enumerate()
            .map(|(index, name)| (CookieRole::Group(index), name.as_str()));
        let auth = self
            .auth_cookies
            .iter()
            .enumerate()
            .map(|(index, name)| (CookieRole::Auth(index), name.as_str()));
        ids.chain(group).chain(auth)
    }

    /// The role of exactly this name, or else of a name that a server could read into it.
    fn role_of(&self, pair: &Pair<'_>) -> Option<CookieRole> {
        let mut cookies = self.cookies();
        let exact = cookies
            .clone()
            .find(|(_, name)| pair.name() == name.as_bytes());
        exact
            .or_else(|| cookies.find(|(_, name)| names::reads_as(pair.name(), name)))
            .map(|(role, _)| role)
    }

    fn hidden_in(&self, pair: &Pair<'_>) -> bool {
        let is_ours = |hidden: &[u8]| {
            self.cookies()
                .any(|(_, name)| names::reads_as(hidden, name))
        };
        pair.hidden_names().any(is_ours)
    }

    /// Whether some server finds an id in this `Authorization` header.
    fn carries(&self, authorization: &HeaderValue) -> bool {
        self.schemes()
            .any(|scheme| credentials(authorization, scheme).next().is_some())
    }

    /// Whether no scheme but a carrier's stands at the front of this `Authorization` header.
    fn is_led_by_carrier(&self, authorization: &HeaderValue) -> bool {
        self.schemes()
            .any(|scheme| leading_credentials(authorization.as_bytes(), scheme).is_some())
    }

    fn schemes(&self) -> impl Iterator<Item = &str> {
        self.carriers.iter().filter_map(|carrier| match carrier {
            Carrier::Authorization(scheme) => Some(scheme.as_str()),
            _ => None,
        })
    }
}

/// The credentials of `scheme` in an `Authorization` header, also behind another scheme's comma.
fn credentials<'a>(header: &'a HeaderValue, scheme: &str) -> impl Iterator<Item = &'a [u8]> {
    let bytes = header.as_bytes();
    let after_commas = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b',')
        .map(|(index, _)| index + 1);
    let starts = std::iter::once(0).chain(after_commas);
    starts.filter_map(move |start| leading_credentials(&bytes[start..], scheme))
}

/// The credentials, where `text` begins with `scheme`: in any case, followed by anything that cannot belong
/// to its name.
fn leading_credentials<'a>(text: &'a [u8], scheme: &str) -> Option<&'a [u8]> {
    let skipped = text
        .iter()
        .take_while(|byte| !byte.is_ascii_graphic())
        .count();
    let (name, value) = text[skipped..].split_at_checked(scheme.len())?;
    let ends_here = value
        .first()
        .is_none_or(|byte| names::is_padding(*byte) || !byte.is_ascii());
    (ends_here && name.eq_ignore_ascii_case(scheme.as_bytes())).then(|| canonical(value))
}

/// Takes cookies out and leaves every other byte of their headers as it was.
pub(crate) fn strip_cookies(headers: &mut HeaderMap, dropped: impl Fn(&Pair<'_>) -> bool) {
    if !cookies::pairs(headers).any(|pair| dropped(&pair)) {
        return;
    }
    let kept: Vec<HeaderValue> = headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|header| match cookies::without(header, &dropped) {
            Kept::All => Some(header.clone()),
            Kept::Rest(rest) => Some(rest),
            Kept::Nothing => None,
        })
        .collect();
    replace(headers, &COOKIE, kept);
}

fn keep_values(headers: &mut HeaderMap, name: &HeaderName, stays: impl Fn(&HeaderValue) -> bool) {
    if headers.get_all(name).iter().all(&stays) {
        return;
    }
    let kept = headers
        .get_all(name)
        .iter()
        .filter(|value| stays(value))
        .cloned()
        .collect();
    replace(headers, name, kept);
}

fn replace(headers: &mut HeaderMap, name: &HeaderName, values: Vec<HeaderValue>) {
    headers.remove(name);
    for value in values {
        headers.append(name, value);
    }
}

#[cfg(test)]
mod tests;
