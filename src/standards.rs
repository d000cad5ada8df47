//! The compliance standards that a policy can be proven against: data in `standards/*.toml`, each
//! clause with its source. Code knows the few kinds of test, and no number.

use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use crate::domain::limits::LimitKind;

/// The files, in the order in which they are listed.
const FILES: [&str; 10] = [
    include_str!("standards/pci-dss-4.toml"),
    include_str!("standards/nist-800-63b-3-aal2.toml"),
    include_str!("standards/nist-800-63b-3-aal3.toml"),
    include_str!("standards/nist-800-63b-4-aal2.toml"),
    include_str!("standards/nist-800-63b-4-aal3.toml"),
    include_str!("standards/owasp-asvs-5.toml"),
    include_str!("standards/disa-asd-stig.toml"),
    include_str!("standards/psd2-rts.toml"),
    include_str!("standards/hipaa.toml"),
    include_str!("standards/fedramp.toml"),
];

static STANDARDS: LazyLock<Vec<Standard>> = LazyLock::new(|| {
    let parsed = FILES.map(|file| toml::from_str(file).expect("a test parses every file"));
    parsed.into()
});

/// Every standard.
pub fn all() -> &'static [Standard] {
    &STANDARDS
}

/// The standard of this name.
pub fn named(name: &str) -> Option<&'static Standard> {
    all().iter().find(|standard| standard.name == name)
}

/// What every standard is called.
pub fn names() -> Vec<&'static str> {
    all()
        .iter()
        .map(|standard| standard.name.as_str())
        .collect()
}

/// A text that asks something of sessions.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standard {
    /// What it is called here.
    pub name: String,
    /// Its title and edition.
    pub title: String,
    /// Whom it is for and what it asks, in a sentence.
    pub about: String,
    /// Where it is published.
    pub url: String,
    /// What it asks; those that an application alone can meet as well.
    pub clauses: Vec<Clause>,
}

impl Standard {
    /// The clause of this number.
    pub fn clause(&self, id: &str) -> Option<&Clause> {
        self.clauses.iter().find(|clause| clause.id == id)
    }
}

/// One thing that a standard asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clause {
    /// Its number there; with a word behind where one number asks several things.
    pub id: String,
    /// What it asks, shortened.
    pub asks: String,
    /// How firmly.
    pub force: Force,
    /// What is looked at.
    pub test: Test,
    /// What else its reader should know.
    pub note: Option<String>,
}

/// How firmly a clause asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Force {
    /// It is required.
    Shall,
    /// It is required unless there is a reason (RFC 2119): an exception says which.
    Should,
    /// It is done, or what is done instead is documented (45 CFR 164.306(d)(3)).
    Addressable,
}

impl Force {
    /// As standards write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Shall => "SHALL",
            Self::Should => "SHOULD",
            Self::Addressable => "addressable",
        }
    }
}

/// What is looked at to prove a clause.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Test {
    /// Everybody's idle timeout.
    Idle(Timeout),
    /// Everybody's absolute timeout.
    Absolute(Timeout),
    /// How many sessions anybody may have at a time.
    Sessions(Sessions),
    /// Once a session ended, only a login begins another.
    Termination,
    /// Every app with a login has a logout that is recognised.
    Logout,
    /// No login keeps the id it came with.
    NewId,
    /// Operators can end one user's sessions, and all.
    Revocation,
    /// Logins and ends are recorded.
    Audit,
    /// A policy cannot tell.
    NotJudged(Reason),
}

impl Test {
    /// The timeout that is looked at, where one is.
    pub fn timeout(&self) -> Option<(LimitKind, &Timeout)> {
        match self {
            Self::Idle(timeout) => Some((LimitKind::Idle, timeout)),
            Self::Absolute(timeout) => Some((LimitKind::Absolute, timeout)),
            _ => None,
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idle(timeout) => write!(f, "the idle timeout{timeout}"),
            Self::Absolute(timeout) => write!(f, "the absolute timeout{timeout}"),
            Self::Sessions(sessions) => write!(f, "max_sessions{sessions}"),
            Self::Termination => f.write_str("no way past a login once a session ended"),
            Self::Logout => f.write_str("a logout wherever there is a login"),
            Self::NewId => f.write_str("a new id at every login"),
            Self::Revocation => f.write_str("an admin listener with a token"),
            Self::Audit => f.write_str("the audit is written"),
            Self::NotJudged(_) => f.write_str("not judged"),
        }
    }
}

/// What a timeout must be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeout {
    /// The longest that is allowed; none where there must only be one.
    #[serde(default, deserialize_with = "duration")]
    pub at_most: Option<Duration>,
    /// Whose.
    #[serde(default)]
    pub who: Who,
    /// Whether it asks in so many words that the user authenticates again.
    #[serde(default)]
    pub login_again: bool,
}

impl fmt::Display for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.who)?;
        if let Some(at_most) = self.at_most {
            write!(f, " is at most {}", humantime::format_duration(at_most))?;
        }
        if self.login_again {
            f.write_str(", and then a login")?;
        }
        Ok(())
    }
}

/// How many sessions a user may have at a time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sessions {
    /// The most that are allowed; none where they must only be limited.
    pub at_most: Option<u32>,
    /// Whose.
    #[serde(default)]
    pub who: Who,
}

impl fmt::Display for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.who)?;
        match self.at_most {
            Some(at_most) => write!(f, " is at most {at_most}"),
            None => f.write_str(" is set"),
        }
    }
}

/// Whose sessions a clause is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// Every session in which somebody may be logged in.
    #[default]
    Everybody,
    /// Holders of a role that is marked `privileged`.
    Privileged,
    /// All others.
    Unprivileged,
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Everybody => " of everybody",
            Self::Privileged => " of privileged roles",
            Self::Unprivileged => " of all but privileged roles",
        })
    }
}

/// Why something is not judged.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// What would have to be looked at.
    pub reason: String,
}

fn duration<'de, D: Deserializer<'de>>(told: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(told)?;
    let parsed = humantime::parse_duration(&text);
    parsed.map(Some).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests;
