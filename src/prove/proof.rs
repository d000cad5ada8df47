//! What a proof says.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::compliance::Exception;
use crate::domain::policy::RoleName;
use crate::standards::{Clause, Standard};

/// A policy held against a standard.
#[derive(Debug)]
pub struct Proof {
    /// The standard.
    pub standard: &'static Standard,
    /// The apps that were looked at.
    pub apps: Vec<Arc<str>>,
    /// Its clauses, in their order.
    pub clauses: Vec<Judged>,
    /// Exceptions that nothing needed.
    pub unused: Vec<Exception>,
}

impl Proof {
    /// Whether no clause failed.
    pub fn holds(&self) -> bool {
        !self
            .clauses
            .iter()
            .any(|clause| clause.outcome == Outcome::Fail)
    }

    /// How many clauses came out this way.
    pub fn count(&self, outcome: Outcome) -> usize {
        let of = |clause: &&Judged| clause.outcome == outcome;
        self.clauses.iter().filter(of).count()
    }
}

/// One clause, and what became of it.
#[derive(Debug)]
pub struct Judged {
    /// The clause.
    pub clause: &'static Clause,
    /// What became of it.
    pub outcome: Outcome,
    /// What was seen, in a line; where it is not judged, why.
    pub shown: String,
    /// What does not meet it, excepted or not.
    pub findings: Vec<Finding>,
}

/// What became of a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is met.
    Pass,
    /// It is not met, and for all that does not meet it there is a reason.
    Justified,
    /// It is not met.
    Fail,
    /// The policy cannot tell.
    NotJudged,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pass, Self::Justified, Self::Fail, Self::NotJudged];

    /// In words.
    pub fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Justified => "justified",
            Self::Fail => "fail",
            Self::NotJudged => "not judged",
        }
    }
}

/// Something that does not meet a clause.
#[derive(Debug)]
pub struct Finding {
    /// In which app, where it is one's.
    pub app: Option<Arc<str>>,
    /// Whose session, where it is about one.
    pub person: Option<Person>,
    /// On which route, where it is one's own limit.
    pub route: Option<String>,
    /// The limit, where it is one.
    pub limit: Option<Duration>,
    /// What is wrong.
    pub what: String,
    /// The line at fault; none for a default.
    pub line: Option<usize>,
    /// Why it may be so.
    pub because: Option<Because>,
}

impl Finding {
    /// Where it was found: person, app and route, as far as it is about them.
    pub fn place(&self) -> String {
        let mut place = match &self.person {
            Some(person) => format!("{person} in "),
            None => String::new(),
        };
        place.push_str(self.app.as_deref().unwrap_or("the gateway"));
        if let Some(route) = &self.route {
            place.push_str(&format!(" at {route}"));
        }
        place
    }
}

/// Why something may be so.
#[derive(Debug)]
pub struct Because {
    /// The reason.
    pub reason: String,
    /// The line of the exception.
    pub line: usize,
}

/// Whose session is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Person {
    /// A holder of this role. Who holds others as well has limits that are no longer.
    Role(RoleName),
    /// Somebody whom no role names; the role whose limit he has.
    Unmapped(Option<RoleName>),
    /// A visitor to an app whose logins the policy does not know.
    Visitor,
}

impl fmt::Display for Person {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(role) => write!(f, "{role}"),
            Self::Unmapped(_) => f.write_str("(no role known)"),
            Self::Visitor => f.write_str("(no login)"),
        }
    }
}
