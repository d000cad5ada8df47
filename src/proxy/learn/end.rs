//! An end that an answer brings about: a logout, or a login that leaves nothing of what was there.

use crate::domain::decide::Live;
use crate::domain::session::EndReason;
use crate::proxy::Proxy;
use crate::proxy::succession;
use crate::store::StoreError;
use crate::store::op::End;

use super::lesson::Asked;

/// Ends the session of a request, following its id where a rotation replaced it meanwhile.
pub(super) async fn end(
    proxy: &Proxy,
    asked: &Asked,
    live: &Live,
    reason: EndReason,
) -> Result<(), StoreError> {
    let authenticated = live.session.is_authenticated();
    let forget_at = asked.snapshot.config.forget_at(authenticated, asked.now);
    let end = End::of(asked.facts_of(live), reason, forget_at);
    succession::end_from(proxy, &asked.app, &live.session, live.sid, end)
        .await
        .map(drop)
}
