//! The cookies that an exchange leaves at its client: those that must go, and those that must stay.

use http::HeaderValue;

use crate::domain::decide::{Stale, Verdict};
use crate::domain::session::{CookieScope, EndReason};

use super::exchange::{Exchange, FoundId};
use super::set_cookie;
use super::snapshot::AppRuntime;

impl Exchange {
    /// Where the cookies of a stale request are to be expired.
    ///
    /// Nowhere, where the client has a fresh cookie of that name by now, or may get one any moment:
    /// an answer that comes late would delete it. Nor where one of the ids is alive: anybody can
    /// write a dead one into a link, and would log its visitors out.
    pub(crate) fn expired(&self, app: &AppRuntime, stale: Stale) -> Vec<CookieScope> {
        let dead = match stale {
            Stale::Ended(reason) => reason != EndReason::Reauthenticated,
            Stale::Unknown | Stale::Mixed => true,
            // Where it ended with this request; one that did not is alive.
            stale => stale.needs_proof(),
        };
        let relogged = self
            .found
            .iter()
            .any(|found| app.relogged.contains(&found.sid));
        let carries_living = self.found.iter().any(|found| found.is_alive);
        if !dead || relogged || carries_living {
            return Vec::new();
        }
        let sessions = self.found.iter().filter_map(|found| found.session.as_ref());
        app.scopes(
            sessions
                .flat_map(|session| session.scopes.iter().cloned())
                .collect(),
        )
    }

    /// Whether a request that was stripped carries a living login: among several ids, since anybody
    /// can write another one into a link; one that must be proven anew; or one without its token, as
    /// other sites' requests come. An app that saw none of them takes its visitor for a stranger, and
    /// what it sets for one must not take the place of his login.
    pub(crate) fn hides_login(&self, verdict: Verdict) -> bool {
        let Verdict::Strip(stale) = verdict else {
            return false;
        };
        let is_login = |found: &FoundId| {
            let session = found.session.as_ref();
            found.is_alive && session.is_some_and(|session| session.is_authenticated())
        };
        let lacks_token = matches!(stale, Stale::TokenMissing | Stale::TokenUnknown);
        (self.found.len() > 1 || stale.needs_proof() || lacks_token)
            && self.found.iter().any(is_login)
    }

    /// Where the cookies of the ids that this request carried are, once it logged in under another
    /// one. Those that the answer does not replace would come along with the new id and keep
    /// it from everything: a request's ids must be of one lineage.
    pub(crate) fn left_behind(&self, app: &AppRuntime, verdict: Verdict) -> Vec<CookieScope> {
        let sessions = self.found.iter().filter_map(|found| found.session.as_ref());
        let recorded = sessions.flat_map(|session| session.scopes.iter().cloned());
        if verdict == Verdict::Forward {
            // The new session took over the group; only the old id is dead.
            let is_id = |scope: &CookieScope| app.id_cookie() == Some(&scope.name);
            return recorded.filter(is_id).collect();
        }
        let is_unknown = |found: &FoundId| found.session.is_none();
        if self.found.iter().any(is_unknown) {
            return app.scopes(recorded.collect());
        }
        recorded.collect()
    }

    /// A Set-Cookie that deletes a cookie at a scope.
    pub(crate) fn expire(&self, scope: &CookieScope) -> Option<HeaderValue> {
        let path = scope.path.as_deref().unwrap_or("/");
        set_cookie::expire(
            &scope.name,
            path,
            scope.domain.as_deref(),
            self.origin.scheme,
        )
    }
}
