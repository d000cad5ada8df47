//! Which standards the policy is to meet, and where the file says why it does not.

use std::sync::Arc;

use crate::domain::policy::RoleName;
use crate::standards::Standard;

/// What the file says about standards.
#[derive(Debug, Clone, Default)]
pub struct Compliance {
    /// The roles of those who administer; some clauses are about them.
    pub privileged: Vec<RoleName>,
    /// The standards that the policy is to meet.
    pub demands: Vec<Demand>,
}

/// One standard that the policy is to meet.
#[derive(Debug, Clone)]
pub struct Demand {
    /// The standard.
    pub standard: &'static Standard,
    /// The apps that it is about; none for all.
    pub apps: Option<Vec<Arc<str>>>,
    /// Where the policy deviates, and why.
    pub exceptions: Vec<Exception>,
}

impl Demand {
    /// For all apps and without an exception.
    pub fn without_exceptions(standard: &'static Standard) -> Self {
        Self {
            standard,
            apps: None,
            exceptions: Vec::new(),
        }
    }
}

/// A reason not to meet a clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The clause's number.
    pub clause: String,
    /// For whom; none for everybody.
    pub roles: Option<Vec<RoleName>>,
    /// Where; none for everywhere.
    pub apps: Option<Vec<Arc<str>>>,
    /// Why, in one line.
    pub because: String,
    /// The line on which it stands.
    pub line: usize,
}
