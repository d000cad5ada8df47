//! Sends who must log in again on his way, and leads him back once he did.

use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode, response};

use crate::config::app::App;
use crate::domain::access::{Activity, RequestFacts};
use crate::domain::proof::{AskedBy, LoginStep};
use crate::domain::session::Session;
use crate::routing::Routed;

use super::Proxy;
use super::exchange::Exchange;
use super::set_cookie;
use super::way_back::{self, Target, WayBack};

impl Exchange {
    /// Reads the cookie of a request that is about to log in.
    pub(crate) fn read_way_back(&mut self, app: &App, routed: &Routed, headers: &HeaderMap) {
        let is_at_login = routed.proof.step != LoginStep::Neither || !routed.logins.is_empty();
        if !app.may_send_to_login() || !is_at_login {
            return;
        }
        let keys = &self.snapshot.config.keys;
        self.way_back = WayBack::of_request(headers, self.origin.scheme, app, keys, self.now);
        if routed.proof.asked_by == AskedBy::User {
            self.setting.proof.of = self.way_back.as_ref().map(|told| told.lineage);
        }
    }

    /// The Set-Cookie with which somebody is sent to log in again who asked for it himself.
    pub(crate) fn seal_way_back(
        &self,
        proxy: &Proxy,
        app: &App,
        facts: RequestFacts,
        target: Option<Target>,
    ) -> Option<HeaderValue> {
        let asked_by = self.setting.proof.asked_by;
        if asked_by != AskedBy::User || facts.activity != Activity::Active {
            return None;
        }
        let keys = &self.snapshot.config.keys;
        let told = WayBack::new(self.session_found()?, target, app, keys, self.now);
        told.to_cookie(self.origin.scheme, app, keys, proxy.entropy.bytes())
    }

    /// Leads who has just logged in back to where he was, if the app answers with a redirect. The
    /// cookie is used up by any login.
    pub(crate) fn lead_back(&self, app: &App, session: &Session, answer: &mut response::Parts) {
        let Some(told) = &self.way_back else { return };
        // 307 and 308 would send the login form there.
        let leads_on = [
            StatusCode::MOVED_PERMANENTLY,
            StatusCode::FOUND,
            StatusCode::SEE_OTHER,
        ]
        .contains(&answer.status);
        let keys = &self.snapshot.config.keys;
        let sessions = self.found.iter().filter_map(|found| found.session.as_ref());
        let carried = sessions.into_iter().any(|it| it.lineage == told.lineage);
        if leads_on
            && let Some(target) = told.target_for(session, app, keys, carried)
            && let Ok(location) = HeaderValue::from_str(target.as_str())
        {
            answer.headers.insert(LOCATION, location);
        }
        let scheme = self.origin.scheme;
        if let Some(expired) = set_cookie::expire(way_back::name(scheme), "/", None, scheme) {
            answer.headers.append(SET_COOKIE, expired);
        }
    }
}
