//! WebSocket upgrades: asked for again at the app, and joined into a tunnel once it agrees.

use std::sync::Arc;

use http::{Response, request, response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::domain::access::Client;
use crate::domain::decide::{Decision, Live};
use crate::domain::identity::Sid;
use crate::domain::limits::RouteBounds;
use crate::telemetry::metrics::StreamCut;

use super::Proxy;
use super::error::ProxyError;
use super::head::hygiene;
use super::snapshot::AppRuntime;
use super::stream::handle::StreamHandle;
use super::stream::registry::{StreamKey, StreamKind};
use super::stream::tunnel::{Why, tunnel};
use super::upstream::{AnswerBody, Received};

/// The client's side of an upgrade, where the request asks for one that passes.
pub(crate) fn wanted(client: Client, parts: &mut request::Parts) -> Option<OnUpgrade> {
    if client == Client::Upgrade {
        parts.extensions.remove::<OnUpgrade>()
    } else {
        None
    }
}

/// Joins both sides. Nothing passes before the app has agreed to what was asked for.
pub(crate) fn join(
    proxy: &Arc<Proxy>,
    app: &Arc<AppRuntime>,
    decision: &Decision,
    client: Option<OnUpgrade>,
    mut parts: response::Parts,
    body: Received,
) -> Result<Response<AnswerBody>, ProxyError> {
    let Some(client) = client else {
        return Err(ProxyError::UpgradeUnasked);
    };
    let Some(upstream) = parts.extensions.remove::<OnUpgrade>() else {
        return Err(ProxyError::UpgradeUnasked);
    };
    let handle = open(proxy, app, decision.live.as_ref())?;
    let mask = proxy.entropy.bytes();
    let app = Arc::clone(app);
    proxy.tasks.spawn(async move {
        let _open = app.metrics.stream_opened();
        body.switch_protocols().await;
        let (client, upstream) = match tokio::try_join!(client, upstream) {
            Ok(both) => both,
            Err(error) => {
                tracing::debug!(%error, "an upgrade failed");
                return;
            }
        };
        let end = tunnel(TokioIo::new(client), TokioIo::new(upstream), handle, mask).await;
        if let Why::Cut(reason) = end.why {
            app.metrics.stream_cut(StreamCut::Ended(reason));
        }
    });
    hygiene::clean_response(&mut parts.headers);
    hygiene::ask_for_websocket(&mut parts.headers);
    Ok(Response::from_parts(parts, AnswerBody::empty()))
}

/// A tunnel is registered under the session it was opened with; one of a public route, which
/// has none, under a lineage of its own that nothing ends.
fn open(proxy: &Proxy, app: &AppRuntime, live: Option<&Live>) -> Result<StreamHandle, ProxyError> {
    let app = &app.app.name;
    let key = match live {
        Some(live) => StreamKey::of(live, app),
        None => StreamKey {
            lineage: proxy.entropy.lineage(),
            sid: Sid::from_bytes(proxy.entropy.bytes()),
            app: Arc::clone(app),
            route: RouteBounds::default(),
        },
    };
    proxy
        .streams
        .open(key, StreamKind::Tunnel)
        .map_err(|_| ProxyError::StreamsFull)
}
