//! Proving oneself again: where a request needs a login that is newer than the session's, and
//! whether to ask for one may end that session.

use std::time::Duration;

use super::access::{Access, Activity, Client, RequestFacts};
use super::identity::Lineage;
use super::session::Session;
use super::time::Timestamp;

/// Who made a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum AskedBy {
    /// The user, or a page of the app.
    #[default]
    User,
    /// A page of somebody else, or a browser that fetches what nobody asked for yet.
    Elsewhere,
}

/// What a request has to do with a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LoginStep {
    /// Nothing.
    #[default]
    Neither,
    /// It shows the form.
    Form,
    /// It sends one.
    Attempt,
}

/// What a request asks of its session's login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    /// A login of this age is too old. To one who sends another login, any is: an app may answer
    /// whoever is logged in without a look at his password.
    pub max_auth_age: Option<Duration>,
    /// The lineage that was told to log in again, at a request that is about to do so.
    pub of: Option<Lineage>,
    /// Whether the request shows the login form, or sends it.
    pub step: LoginStep,
    /// Who made it.
    pub asked_by: AskedBy,
}

impl Proof {
    /// The same of a request that turned out to send a login, in an app of which some route asks
    /// for one of this age.
    pub fn at_attempt(self, freshest: Option<Duration>) -> Self {
        Self {
            max_auth_age: freshest,
            step: LoginStep::Attempt,
            ..self
        }
    }

    /// Whether the user of a session must prove himself again. Nobody knows how old a login is
    /// that was adopted.
    pub fn is_due(&self, session: &Session, now: Timestamp) -> bool {
        let Some(login) = &session.login else {
            return false;
        };
        let is_too_old = |most: Duration| {
            self.step == LoginStep::Attempt
                || session.until.is_some()
                || now.since(login.admitted) >= most
        };
        let was_told = self.step != LoginStep::Neither && self.of == Some(session.lineage);
        was_told || self.max_auth_age.is_some_and(is_too_old)
    }

    /// Whether the request may end a session whose user must prove himself again: only one with
    /// which he is on his way to the login form, and that nobody else can make him send.
    pub fn may_end(&self, facts: RequestFacts) -> bool {
        let goes_to_login = facts.client == Client::Navigation && facts.access != Access::Public;
        self.asked_by == AskedBy::User
            && facts.activity == Activity::Active
            && (self.step != LoginStep::Neither || goes_to_login)
    }
}

#[cfg(test)]
mod tests;
