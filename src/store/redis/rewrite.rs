//! The writes that replace what stays of a living id.

use redis::Value;

use crate::domain::identity::Sid;
use crate::store::StoreError;
use crate::store::event::EventKind;
use crate::store::op::{Amended, Amendment, Bound, InPlaceLogin, Touched};

use super::link::Attempt;
use super::write::{Found, digits, found, json, on_all_keys};
use super::{RedisStore, codec, keys};

impl RedisStore {
    pub(in crate::store) async fn bind(
        &self,
        sid: Sid,
        bound: Bound,
    ) -> Result<Touched, StoreError> {
        let script = &self.scripts.bind;
        let lineage = bound.lineage.to_string();
        let fixed = codec::encode(&bound.session);
        let both = [bound.lineage, bound.session.lineage];
        let lineages = bound.login.as_ref().map_or(&[][..], |_| &both);
        let login = bound.login.map(|login| self.login(*login));
        let call = |attempt: Attempt| {
            let sid_text = keys::hex(sid);
            let mut arguments: Vec<&[u8]> =
                vec![&sid_text, lineage.as_bytes(), &fixed, attempt.flag()];
            arguments.extend(login.iter().flatten().map(Vec::as_slice));
            on_all_keys(sid, lineages, |keys| script.on(keys, &arguments))
        };
        let touched = found(self.link.run(script, call).await?)?.into();
        if touched != Touched::Alive {
            self.touches.forget(sid);
        }
        Ok(touched)
    }

    pub(in crate::store) async fn amend(
        &self,
        sid: Sid,
        amendment: Amendment,
    ) -> Result<Amended, StoreError> {
        let script = &self.scripts.amend;
        let before = codec::encode(&amendment.before);
        let after = codec::encode(&amendment.after);
        let due = digits(amendment.due);
        let event = amendment.event.map(|event| json(&event));
        let event = event.unwrap_or_default();
        let call = |attempt: Attempt| {
            let arguments: [&[u8]; 6] = [
                &keys::hex(sid),
                &before,
                &after,
                due.as_bytes(),
                &event,
                attempt.flag(),
            ];
            on_all_keys(sid, &[], |keys| script.on(keys, &arguments))
        };
        let answer = self.link.run(script, call).await?;
        if answer == Value::Int(0) {
            return Ok(Amended::Overtaken);
        }
        match found(answer)? {
            Found::Alive => Ok(Amended::Yes),
            Found::Ended(reason) => Ok(Amended::Ended(reason)),
            Found::Superseded(successor) => Ok(Amended::Superseded(successor)),
            Found::Pending | Found::Unknown => Ok(Amended::Unknown),
        }
    }

    /// A login over which the app kept its id, as `bind.lua` takes it.
    fn login(&self, login: InPlaceLogin) -> Vec<Vec<u8>> {
        let ended = login
            .events
            .iter()
            .find(|event| event.event == EventKind::End);
        let reason = ended.and_then(|end| end.reason.clone());
        let mut arguments = vec![
            digits(login.last_active).into_bytes(),
            digits(login.due).into_bytes(),
            self.kept(login.forget_at).into_bytes(),
            reason.unwrap_or_default().into_bytes(),
        ];
        arguments.extend(login.events.iter().map(json));
        arguments
    }
}
