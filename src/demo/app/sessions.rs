//! Who is signed in, by the cookie `JSESSIONID`.
//!
//! An id is given out to any visitor, and a new one at each login, so that an id known before the
//! login is worth nothing after it. Nothing here knows the time: a session lasts until its logout.

use std::collections::HashMap;
use std::fmt::{Display, Formatter};

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

use super::accounts::Account;

/// The cookie's name, as a servlet container calls it.
const COOKIE_NAME: &str = "JSESSIONID";
/// Makes a browser forget the cookie.
const DELETION: &str =
    "JSESSIONID=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:10 GMT; Path=/; HttpOnly";
/// Visitors without a login that are remembered; the oldest makes room.
const ANONYMOUS_MAX: usize = 1024;
/// Logins that are remembered; the oldest makes room.
const SIGNED_IN_MAX: usize = 4096;

/// A session id: 128 random bits, written as 32 upper-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SessionId([u8; 16]);

impl SessionId {
    /// An id that nobody can guess; `None` if the system has no randomness to give.
    pub(super) fn random() -> Option<Self> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).ok()?;
        Some(Self(bytes))
    }

    fn parse(text: &str) -> Option<Self> {
        let digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
        if text.len() != 32 || !text.bytes().all(digit) {
            return None;
        }
        let number = u128::from_str_radix(text, 16).ok()?;
        Some(Self(number.to_be_bytes()))
    }

    /// The `Set-Cookie` value that hands the id to the browser.
    pub(super) fn set_cookie(self) -> HeaderValue {
        let value = format!("{COOKIE_NAME}={self}; Path=/; HttpOnly");
        HeaderValue::from_str(&value).expect("hexadecimal digits are visible ASCII")
    }
}

impl Display for SessionId {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:032X}", u128::from_be_bytes(self.0))
    }
}

/// The `Set-Cookie` value that makes the browser forget its id.
pub(super) fn deletion_cookie() -> HeaderValue {
    HeaderValue::from_static(DELETION)
}

/// What is known of one id.
#[derive(Clone, Copy, Debug)]
struct Session {
    /// The order of creation.
    number: u64,
    account: Option<Account>,
}

/// All sessions, bounded.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    live: HashMap<SessionId, Session>,
    created: u64,
}

impl Sessions {
    /// The first live session among a request's cookies, and whom it belongs to.
    pub(super) fn find(&self, headers: &HeaderMap) -> Option<(SessionId, Option<Account>)> {
        headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .filter(|(name, _)| *name == COOKIE_NAME)
            .filter_map(|(_, value)| SessionId::parse(value))
            .find_map(|id| Some((id, self.live.get(&id)?.account)))
    }

    /// Remembers a visitor who has not signed in.
    pub(super) fn visit(&mut self, id: SessionId) {
        self.insert(id, None);
    }

    /// Signs a person in under the id `fresh`; the id they came with, if any, is dead from here on.
    pub(super) fn sign_in(
        &mut self,
        before: Option<SessionId>,
        fresh: SessionId,
        account: Account,
    ) {
        if let Some(before) = before {
            self.end(before);
        }
        self.insert(fresh, Some(account));
    }

    /// Forgets a session.
    pub(super) fn end(&mut self, id: SessionId) {
        self.live.remove(&id);
    }

    fn insert(&mut self, id: SessionId, account: Option<Account>) {
        self.make_room(account.is_some());
        self.created += 1;
        let number = self.created;
        self.live.insert(id, Session { number, account });
    }

    fn make_room(&mut self, signed_in: bool) {
        let max = if signed_in {
            SIGNED_IN_MAX
        } else {
            ANONYMOUS_MAX
        };
        let alike = || {
            self.live
                .iter()
                .filter(|(_, session)| session.account.is_some() == signed_in)
        };
        if alike().count() < max {
            return;
        }
        let oldest = alike()
            .min_by_key(|(_, session)| session.number)
            .map(|(id, _)| *id);
        if let Some(oldest) = oldest {
            self.end(oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::COOKIE;

    use super::{ANONYMOUS_MAX, SIGNED_IN_MAX, SessionId, Sessions};
    use crate::demo::app::accounts::Account;

    fn id(number: usize) -> SessionId {
        SessionId((number as u128).to_be_bytes())
    }

    fn cookies(values: &[&str]) -> HeaderMap {
        values
            .iter()
            .map(|value| (COOKIE, value.parse().unwrap()))
            .collect()
    }

    fn found(sessions: &Sessions, id: SessionId) -> Option<Option<Account>> {
        let headers = cookies(&[&format!("JSESSIONID={id}")]);
        sessions.find(&headers).map(|(_, account)| account)
    }

    #[test]
    fn an_id_is_written_as_32_upper_case_digits_and_read_back() {
        let id = id(0xAB);
        assert_eq!(id.to_string(), "000000000000000000000000000000AB");
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        for other in ["", "AB", "000000000000000000000000000000ab"] {
            assert_eq!(SessionId::parse(other), None, "{other}");
        }
        assert_eq!(
            SessionId::parse(&format!("+{}", &id.to_string()[1..])),
            None
        );
    }

    #[test]
    fn two_random_ids_differ() {
        assert_ne!(SessionId::random().unwrap(), SessionId::random().unwrap());
    }

    #[test]
    fn the_first_live_id_among_all_cookies_counts() {
        let mut sessions = Sessions::default();
        sessions.visit(id(2));
        let (dead, live) = (id(1), id(2));
        let headers = cookies(&[
            &format!("theme=dark; JSESSIONID={dead}"),
            &format!("XJSESSIONID={dead}; JSESSIONID={live}; broken"),
        ]);
        assert_eq!(sessions.find(&headers), Some((live, None)));
    }

    #[test]
    fn a_login_kills_the_id_that_was_known_before_it() {
        let mut sessions = Sessions::default();
        sessions.visit(id(1));
        sessions.sign_in(Some(id(1)), id(2), Account::Buyer);
        assert_eq!(found(&sessions, id(1)), None);
        assert_eq!(found(&sessions, id(2)), Some(Some(Account::Buyer)));
    }

    #[test]
    fn a_flood_of_visitors_drops_the_oldest_visitor_and_no_login() {
        let mut sessions = Sessions::default();
        sessions.sign_in(None, id(0), Account::Buyer);
        for number in 1..=ANONYMOUS_MAX {
            sessions.visit(id(number));
        }
        assert_eq!(found(&sessions, id(1)), Some(None));
        sessions.visit(id(ANONYMOUS_MAX + 1));
        assert_eq!(found(&sessions, id(1)), None);
        assert_eq!(found(&sessions, id(2)), Some(None));
        assert_eq!(found(&sessions, id(0)), Some(Some(Account::Buyer)));
    }

    #[test]
    fn logins_are_bounded_too() {
        let mut sessions = Sessions::default();
        for number in 0..=SIGNED_IN_MAX {
            sessions.sign_in(None, id(number), Account::Buyer);
        }
        assert_eq!(sessions.live.len(), SIGNED_IN_MAX);
        assert_eq!(found(&sessions, id(0)), None);
    }
}
