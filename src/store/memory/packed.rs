//! A session as a row of bytes, for this process alone: no version, and no reader but `unpack`.
//!
//! Numbers are LEB128, so that small ones take one byte; texts and lists carry their length.

use std::sync::Arc;

use crate::domain::identity::{Fingerprint, Lineage};
use crate::domain::policy::{PolicyVersion, RoleName};
use crate::domain::rehearse::WouldHaveEnded;
use crate::domain::session::{Companion, CookieScope, Login, Session, UserName};
use crate::domain::time::Timestamp;
use crate::domain::token::{Token, TokenSeed};

/// The bytes from which `unpack` makes the same session again.
pub(super) fn pack(session: &Session) -> Box<[u8]> {
    let mut to = Packer(Vec::with_capacity(192));
    to.name(session.lineage.as_bytes());
    to.number(u64::from(session.generation));
    to.text(&session.app);
    to.instant(session.started);
    to.option(session.until.as_ref(), |to, until| to.instant(*until));
    to.option(session.login.as_ref(), |to, login| {
        to.instant(login.admitted);
        to.option(login.user.as_ref(), |to, user| to.text(user.as_str()));
        to.list(&login.groups, |to, group| to.text(group));
        to.list(&login.roles, |to, role| to.text(role.as_str()));
        to.instant(login.roles_learned);
        to.0.push(u8::from(login.is_doubtful));
    });
    to.option(session.device.as_ref(), |to, device| to.text(device));
    to.number(u64::from(session.policy.0));
    to.list(&session.companions, |to, companion| {
        to.text(&companion.name);
        to.name(companion.current.as_bytes());
        to.option(companion.previous.as_ref(), |to, previous| {
            to.name(previous.as_bytes());
        });
    });
    to.list(&session.scopes, |to, scope| {
        to.text(&scope.name);
        to.option(scope.path.as_ref(), |to, path| to.text(path));
        to.option(scope.domain.as_ref(), |to, domain| to.text(domain));
    });
    to.option(session.token.as_ref(), |to, token| {
        to.name(token.seed.as_bytes());
        to.number(u64::from(token.number));
        to.instant(token.since);
        to.option(token.offered.as_ref(), |to, offered| to.instant(*offered));
    });
    let WouldHaveEnded {
        absolute,
        idle_since,
    } = &session.would_have_ended;
    to.0.push(u8::from(*absolute));
    to.option(idle_since.as_ref(), |to, since| to.instant(*since));
    to.0.into_boxed_slice()
}

/// Whether `pack` made these bytes of a session of this lineage.
pub(super) fn is_of(bytes: &[u8], lineage: Lineage) -> bool {
    Unpacker(bytes).name() == Some(*lineage.as_bytes())
}

/// The session that `pack` made these bytes of; none where they are not its work.
pub(super) fn unpack(bytes: &[u8]) -> Option<Session> {
    let mut from = Unpacker(bytes);
    let session = Session {
        lineage: Lineage::from_bytes(from.name()?),
        generation: from.number()?.try_into().ok()?,
        app: from.shared()?,
        started: from.instant()?,
        until: from.option(Unpacker::instant)?,
        login: from.option(|from| {
            Some(Login {
                admitted: from.instant()?,
                user: from.option(|from| UserName::new(from.text()?))?,
                groups: from.list(Unpacker::shared)?,
                roles: from.list(|from| from.text().map(RoleName::new))?,
                roles_learned: from.instant()?,
                is_doubtful: from.byte()? == 1,
            })
        })?,
        device: from.option(Unpacker::shared)?,
        policy: PolicyVersion(from.number()?.try_into().ok()?),
        companions: from.list(|from| {
            Some(Companion {
                name: from.shared()?,
                current: from.fingerprint()?,
                previous: from.option(Unpacker::fingerprint)?,
            })
        })?,
        scopes: from.list(|from| {
            Some(CookieScope {
                name: from.shared()?,
                path: from.option(Unpacker::shared)?,
                domain: from.option(Unpacker::shared)?,
            })
        })?,
        token: from.option(|from| {
            Some(Token {
                seed: TokenSeed::from_bytes(from.name()?),
                number: from.number()?.try_into().ok()?,
                since: from.instant()?,
                offered: from.option(Unpacker::instant)?,
            })
        })?,
        would_have_ended: WouldHaveEnded {
            absolute: from.flag()?,
            idle_since: from.option(Unpacker::instant)?,
        },
    };
    from.0.is_empty().then_some(session)
}

struct Packer(Vec<u8>);

impl Packer {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn instant(&mut self, instant: Timestamp) {
        self.number(instant.as_millis());
    }

    fn name(&mut self, name: &[u8; 16]) {
        self.0.extend_from_slice(name);
    }

    fn text(&mut self, text: &str) {
        self.number(text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    fn option<T>(&mut self, value: Option<&T>, pack: impl Fn(&mut Self, &T)) {
        self.0.push(u8::from(value.is_some()));
        if let Some(value) = value {
            pack(self, value);
        }
    }

    fn list<T>(&mut self, values: &[T], pack: impl Fn(&mut Self, &T)) {
        self.number(values.len() as u64);
        values.iter().for_each(|value| pack(self, value));
    }
}

struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(number);
            }
        }
        None
    }

    fn instant(&mut self) -> Option<Timestamp> {
        self.number().map(Timestamp::from_millis)
    }

    fn name(&mut self) -> Option<[u8; 16]> {
        let (name, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*name)
    }

    fn fingerprint(&mut self) -> Option<Fingerprint> {
        self.name().map(Fingerprint::from_bytes)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?.try_into().ok()?;
        let (text, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }

    fn shared(&mut self) -> Option<Arc<str>> {
        self.text().map(Arc::from)
    }

    /// `None` where the bytes are not ours, `Some(None)` where the value is absent.
    fn option<T>(&mut self, unpack: impl Fn(&mut Self) -> Option<T>) -> Option<Option<T>> {
        match self.byte()? {
            0 => Some(None),
            1 => unpack(self).map(Some),
            _ => None,
        }
    }

    fn list<T>(&mut self, unpack: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let length = self.number()?;
        (0..length).map(|_| unpack(self)).collect()
    }
}

#[cfg(test)]
mod tests;
