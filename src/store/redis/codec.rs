//! Records as Redis holds them, and back.
//!
//! What stays of a session is a header for the scripts and compact JSON for us:
//!
//! ```text
//! 1 u 00112233445566778899aabbccddeeff {"p":"procurement","s":1750000000000,…}
//! │ │ └ the lineage                    └ `Stored`
//! │ └ u where a login was seen, a where none was
//! └ the version of all this
//! ```
//!
//! without the blanks. Whatever is not exactly that decodes to nothing.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::domain::identity::{Fingerprint, Sid};
use crate::domain::policy::{PolicyVersion, RoleName};
use crate::domain::rehearse::WouldHaveEnded;
use crate::domain::session::{Companion, CookieScope, EndReason, Login, Session, State, UserName};
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenSeed};

const VERSION: u8 = b'1';
const AUTHENTICATED: u8 = b'u';
const ANONYMOUS: u8 = b'a';

/// Version, login and lineage.
const HEADER_BYTES: usize = 34;

/// Room for a session with a user, a role, two companions and two cookies.
const USUAL_BYTES: usize = 512;

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    #[serde(rename = "p", borrow)]
    app: Cow<'a, str>,
    #[serde(rename = "s")]
    started: u64,
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    #[serde(rename = "y")]
    policy: u32,
    #[serde(rename = "g", default, skip_serializing_if = "is_zero")]
    generation: u32,
    #[serde(rename = "l", borrow, default, skip_serializing_if = "Option::is_none")]
    login: Option<StoredLogin<'a>>,
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    device: Option<Cow<'a, str>>,
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    companions: Vec<StoredCompanion<'a>>,
    #[serde(rename = "k", default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<StoredScope<'a>>,
    /// Not `t`, which older gateways read as something else; this they pass over.
    #[serde(rename = "x", default, skip_serializing_if = "Option::is_none")]
    token: Option<StoredToken>,
    #[serde(rename = "wa", default, skip_serializing_if = "is_false")]
    would_be_absolute: bool,
    #[serde(rename = "wi", default, skip_serializing_if = "Option::is_none")]
    would_be_idle: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct StoredLogin<'a> {
    #[serde(rename = "a")]
    admitted: u64,
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    user: Option<Cow<'a, str>>,
    #[serde(rename = "g", default, skip_serializing_if = "Vec::is_empty")]
    groups: Vec<Cow<'a, str>>,
    #[serde(rename = "r", default, skip_serializing_if = "Vec::is_empty")]
    roles: Vec<Cow<'a, str>>,
    #[serde(rename = "w")]
    roles_learned: u64,
    #[serde(rename = "d", default, skip_serializing_if = "is_false")]
    is_doubtful: bool,
}

/// Seed, number in force, since when, and when the next was last handed out.
type StoredToken = (String, u32, u64, Option<u64>);

/// Name, current and previous fingerprint.
type StoredCompanion<'a> = (Cow<'a, str>, String, Option<String>);

/// Name, path and domain.
type StoredScope<'a> = (Cow<'a, str>, Option<Cow<'a, str>>, Option<Cow<'a, str>>);

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(told: &bool) -> bool {
    !told
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What stays of a session, for the field `d`. The same session always gives the same bytes: an
/// `amend` compares them.
pub(super) fn encode(session: &Session) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    bytes.push(VERSION);
    bytes.push(if session.is_authenticated() {
        AUTHENTICATED
    } else {
        ANONYMOUS
    });
    bytes.extend_from_slice(session.lineage.to_string().as_bytes());
    serde_json::to_writer(&mut bytes, &stored(session))
        .expect("texts and numbers serialize, and a Vec takes every byte");
    bytes
}

fn stored(session: &Session) -> Stored<'_> {
    Stored {
        app: (&*session.app).into(),
        started: session.started.as_millis(),
        until: session.until.map(Timestamp::as_millis),
        policy: session.policy.0,
        generation: session.generation,
        login: session.login.as_ref().map(|login| StoredLogin {
            admitted: login.admitted.as_millis(),
            user: login.user.as_ref().map(|user| user.as_str().into()),
            groups: login.groups.iter().map(|group| (&**group).into()).collect(),
            roles: login
                .roles
                .iter()
                .map(|role| role.as_str().into())
                .collect(),
            roles_learned: login.roles_learned.as_millis(),
            is_doubtful: login.is_doubtful,
        }),
        device: session.device.as_deref().map(Cow::Borrowed),
        companions: session.companions.iter().map(stored_companion).collect(),
        scopes: session.scopes.iter().map(stored_scope).collect(),
        token: session.token.as_ref().map(stored_token),
        would_be_absolute: session.would_have_ended.absolute,
        would_be_idle: session
            .would_have_ended
            .idle_since
            .map(Timestamp::as_millis),
    }
}

fn stored_token(token: &Token) -> StoredToken {
    (
        Fingerprint::from_bytes(*token.seed.as_bytes()).to_string(),
        token.number,
        token.since.as_millis(),
        token.offered.map(Timestamp::as_millis),
    )
}

fn stored_companion(companion: &Companion) -> StoredCompanion<'_> {
    (
        (&*companion.name).into(),
        companion.current.to_string(),
        companion.previous.map(|previous| previous.to_string()),
    )
}

fn stored_scope(scope: &CookieScope) -> StoredScope<'_> {
    (
        (&*scope.name).into(),
        scope.path.as_deref().map(Cow::Borrowed),
        scope.domain.as_deref().map(Cow::Borrowed),
    )
}

/// The session that `encode` wrote; nothing where the bytes are not its work.
pub(super) fn decode(bytes: &[u8]) -> Option<Session> {
    let (header, json) = bytes.split_at_checked(HEADER_BYTES)?;
    let stored: Stored<'_> = serde_json::from_slice(json).ok()?;
    let kind = match stored.login {
        Some(_) => AUTHENTICATED,
        None => ANONYMOUS,
    };
    if header[..2] != [VERSION, kind] {
        return None;
    }
    Some(Session {
        lineage: str::from_utf8(&header[2..]).ok()?.parse().ok()?,
        generation: stored.generation,
        app: stored.app.into(),
        started: Timestamp::from_millis(stored.started),
        until: stored.until.map(Timestamp::from_millis),
        login: match stored.login {
            Some(stored) => Some(login(stored)?),
            None => None,
        },
        device: stored.device.map(Into::into),
        policy: PolicyVersion(stored.policy),
        companions: stored
            .companions
            .into_iter()
            .map(companion)
            .collect::<Option<_>>()?,
        scopes: stored.scopes.into_iter().map(scope).collect(),
        token: match stored.token {
            Some(stored) => Some(token(stored)?),
            None => None,
        },
        would_have_ended: WouldHaveEnded {
            absolute: stored.would_be_absolute,
            idle_since: stored.would_be_idle.map(Timestamp::from_millis),
        },
    })
}

fn login(stored: StoredLogin<'_>) -> Option<Login> {
    Some(Login {
        admitted: Timestamp::from_millis(stored.admitted),
        user: match stored.user {
            Some(user) => Some(UserName::new(&user)?),
            None => None,
        },
        groups: stored.groups.into_iter().map(Into::into).collect(),
        roles: stored
            .roles
            .iter()
            .map(|role| RoleName::new(role))
            .collect(),
        roles_learned: Timestamp::from_millis(stored.roles_learned),
        is_doubtful: stored.is_doubtful,
    })
}

fn token((seed, number, since, offered): StoredToken) -> Option<Token> {
    let seed: Fingerprint = seed.parse().ok()?;
    Some(Token {
        seed: TokenSeed::from_bytes(*seed.as_bytes()),
        number,
        since: Timestamp::from_millis(since),
        offered: offered.map(Timestamp::from_millis),
    })
}

fn companion((name, current, previous): StoredCompanion<'_>) -> Option<Companion> {
    Some(Companion {
        name: name.into(),
        current: current.parse().ok()?,
        previous: optional_fingerprint(previous.as_deref())?,
    })
}

fn scope((name, path, domain): StoredScope<'_>) -> CookieScope {
    CookieScope {
        name: name.into(),
        path: path.map(Into::into),
        domain: domain.map(Into::into),
    }
}

/// `None` where the text is no fingerprint, `Some(None)` where there is no text.
fn optional_fingerprint(text: Option<&str>) -> Option<Option<Fingerprint>> {
    match text {
        Some(text) => text.parse().ok().map(Some),
        None => Some(None),
    }
}

/// A state, for the field `t`.
pub(super) fn encode_state(state: State) -> String {
    match state {
        State::Pending => "P".to_owned(),
        State::Alive => "A".to_owned(),
        State::Ended { reason, at } => format!("E:{reason}:{}", at.as_millis()),
        State::Superseded { at, successor } => format!("S:{successor}:{}", at.as_millis()),
    }
}

/// The state that `encode_state` wrote; nothing where the text is not its work.
pub(super) fn decode_state(text: &[u8]) -> Option<State> {
    match text {
        b"A" => return Some(State::Alive),
        b"P" => return Some(State::Pending),
        _ => {}
    }
    let (kind, rest) = str::from_utf8(text).ok()?.split_once(':')?;
    let (what, at) = rest.split_once(':')?;
    let at = decode_instant(at.as_bytes())?;
    match kind {
        "E" => Some(State::Ended {
            reason: EndReason::from_word(what)?,
            at,
        }),
        "S" => Some(State::Superseded {
            at,
            successor: what.parse::<Sid>().ok()?,
        }),
        _ => None,
    }
}

/// An instant in decimal digits.
pub(super) fn decode_instant(text: &[u8]) -> Option<Timestamp> {
    decode_number(text).map(Timestamp::from_millis)
}

/// A number in decimal digits.
pub(super) fn decode_number(text: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(text).ok()?;
    // `parse` would also take a sign.
    if !digits.starts_with(|first: char| first.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

#[cfg(test)]
mod tests;
