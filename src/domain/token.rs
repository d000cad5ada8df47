//! The companion token: which of a session's values is in force, when the next one is due, and what
//! it means that one comes back.
//!
//! The values of a session are numbered from 1 and follow from a random seed in its record (see
//! `Keyring::token_value`), so that every gateway recognises each that was ever handed out and can
//! hand out the same one again. Number 0 stands for having none. A value is replaced when its
//! successor is first presented, not when that is handed out: an answer may be lost.

use std::cmp::Ordering;
use std::fmt;
use std::time::Duration;

use super::time::Timestamp;

/// What the values of one session's token follow from, together with the deployment's keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenSeed([u8; 16]);

impl TokenSeed {
    /// A seed from 16 random bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for TokenSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSeed(redacted)")
    }
}

/// What a session's record keeps of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What its values follow from.
    pub seed: TokenSeed,
    /// The number of the value in force; 0 until the first was presented.
    pub number: u32,
    /// Since when it is in force: when it was first presented.
    pub since: Timestamp,
    /// When the value after it was last handed out, if it was.
    pub offered: Option<Timestamp>,
}

/// The number of the value that a login brings. 1 comes after having none, which is good for the
/// overlap like any value that was replaced; at a login it never is.
const AT_LOGIN: u32 = 2;

impl Token {
    /// The token of a session that begins with the answer which brings its first value: whoever
    /// knows the session's id knows the value too.
    pub const fn at_login(seed: TokenSeed, now: Timestamp) -> Self {
        Self {
            seed,
            number: AT_LOGIN,
            since: now,
            offered: None,
        }
    }

    /// The number of the value that follows.
    pub const fn next(&self) -> u32 {
        self.number.saturating_add(1)
    }
}

/// How a token is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// How long a value is in force before the next one is handed out.
    pub every: Duration,
    /// How long the value before is good for after its successor was first presented; and how long
    /// a value that was handed out is waited for before it is handed out again.
    pub overlap: Duration,
}

/// What a request presents: the newest of its values that is one of this session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// It presents none.
    Nothing,
    /// What it presents was never a value of this session.
    Unknown,
    /// The value of this number, from 1.
    Value(u32),
}

/// What that means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing is asked for, or it is the value in force, or the one before within the overlap.
    Holds,
    /// The same, and the record must follow.
    Changes(Box<Change>),
    /// A value is needed, and there is none.
    Missing,
    /// A value is needed, and what there is was never one of this session.
    Unknown,
    /// A value that was replaced came back: two hold what one should.
    Reused,
}

/// What a request makes of a record's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The token from now on.
    pub token: Token,
    /// Whether the answer hands out the next value.
    pub offers: bool,
}

impl Renewal {
    /// Judges what a request presents. `fresh` gives the seed of a session that has no token yet:
    /// its login was before tokens were asked for, or nobody saw it.
    pub fn judge(
        self,
        token: Option<&Token>,
        shown: Shown,
        now: Timestamp,
        fresh: impl FnOnce() -> TokenSeed,
    ) -> Standing {
        let none = || Token {
            seed: fresh(),
            number: 0,
            since: now,
            offered: None,
        };
        let token = token.copied().unwrap_or_else(none);
        let number = match shown {
            Shown::Value(number) => number,
            Shown::Nothing | Shown::Unknown => 0,
        };
        match number.cmp(&token.number) {
            // Only what was handed out can be presented, so this also holds of a record that a
            // failover set back.
            Ordering::Greater => Standing::accepts(token, number, now),
            Ordering::Equal if self.is_due(&token, now) => Standing::offers(token, now),
            Ordering::Equal => Standing::Holds,
            Ordering::Less if self.overlaps(&token, number, now) => Standing::Holds,
            Ordering::Less => match shown {
                Shown::Nothing => Standing::Missing,
                Shown::Unknown => Standing::Unknown,
                Shown::Value(_) => Standing::Reused,
            },
        }
    }

    /// One answer at a time carries the next value: of two who hold the same value one is left
    /// behind with it.
    fn is_due(self, token: &Token, now: Timestamp) -> bool {
        let served = token.number == 0 || now.since(token.since) >= self.every;
        let waits = |offered| now.since(offered) < self.overlap;
        served && !token.offered.is_some_and(waits)
    }

    fn overlaps(self, token: &Token, number: u32, now: Timestamp) -> bool {
        token.number - number == 1 && now.since(token.since) < self.overlap
    }
}

impl Standing {
    fn accepts(token: Token, number: u32, now: Timestamp) -> Self {
        let token = Token {
            number,
            since: now,
            offered: None,
            ..token
        };
        Self::Changes(Box::new(Change {
            token,
            offers: false,
        }))
    }

    fn offers(token: Token, now: Timestamp) -> Self {
        let token = Token {
            offered: Some(now),
            ..token
        };
        Self::Changes(Box::new(Change {
            token,
            offers: true,
        }))
    }
}

#[cfg(test)]
mod tests;
