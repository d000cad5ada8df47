//! What becomes of an exchange whose login is refused although the app took it: its answer is
//! another one, and it is recorded.

use http::{HeaderValue, Response};

use crate::domain::access::Client;
use crate::domain::resolve::Setting;
use crate::store::event::build::{EventFacts, login_refused_event};
use crate::telemetry::metrics::VerdictLabel;

use super::Proxy;
use super::exchange::Exchange;
use super::hand_out;
use super::learn::lesson::LoginRefused;
use super::respond::login::{code, refuse_login};
use super::snapshot::AppRuntime;
use super::upstream::AnswerBody;

impl Exchange {
    /// The answer in place of the app's. Nothing of that one reaches the client, no Set-Cookie
    /// either.
    pub(super) fn refuse_login(
        &mut self,
        proxy: &Proxy,
        app: &AppRuntime,
        client: Client,
        refused: &LoginRefused,
    ) -> Response<AnswerBody> {
        self.record_login_refused(proxy, app, refused);
        let expired: Vec<HeaderValue> = match refused.in_place {
            true => {
                let scopes = app.scopes(refused.session.scopes.clone());
                scopes
                    .iter()
                    .filter_map(|scope| self.expire(scope))
                    .chain(hand_out::expired(self, app))
                    .collect()
            }
            false => Vec::new(),
        };
        refuse_login(&app.app, client, refused, expired)
    }

    fn record_login_refused(&mut self, proxy: &Proxy, app: &AppRuntime, refused: &LoginRefused) {
        let policy = &self.snapshot.config.policy;
        let session = &refused.session;
        let limits = session.limits(policy, Setting::of_app(app.app.bounds));
        let facts = EventFacts {
            session,
            last_active: self.now,
            limits: &limits,
            policy,
            at: self.now,
            client: Some(self.origin.address),
        };
        let nonce = u32::from_le_bytes(proxy.entropy.bytes());
        let word = code(refused.why);
        let event = login_refused_event(facts, word, refused.seats, nonce);
        proxy.telemetry.events.refused(event);
        if let Some(entry) = &mut self.entry {
            entry.verdict = VerdictLabel::Refuse;
            entry.reason = Some(word);
        }
    }
}
