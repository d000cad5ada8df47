//! WebSocket upgrades: asked for again at the app, and joined into a tunnel once it agrees.

use std::sync::Arc;

use http::{Response, request, response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;

use crate::config::passive::FrameRule;
use crate::domain::access::Client;
use crate::domain::decide::{Decision, Live};
use crate::domain::identity::Sid;
use crate::domain::limits::RouteBounds;
use crate::telemetry::metrics::StreamCut;

use super::Proxy;
use super::error::ProxyError;
use super::head::hygiene;
use super::person::Ear;
use super::snapshot::AppRuntime;
use super::stream::person::FrameWatch;
use super::stream::registry::{StreamKey, StreamKind};
use super::stream::tunnel::{Why, tunnel};
use super::upstream::{AnswerBody, Received};

/// What a request that asks for a WebSocket brings along.
pub(crate) struct Opened {
    /// The client's side, where the request asks for an upgrade that passes.
    pub(crate) client: Option<OnUpgrade>,
    /// Which messages of the client are a person's.
    pub(crate) person_frames: Vec<Arc<FrameRule>>,
}

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
    opened: Opened,
    mut parts: response::Parts,
    body: Received,
) -> Result<Response<AnswerBody>, ProxyError> {
    let Some(client) = opened.client else {
        return Err(ProxyError::UpgradeUnasked);
    };
    let Some(upstream) = parts.extensions.remove::<OnUpgrade>() else {
        return Err(ProxyError::UpgradeUnasked);
    };
    let key = key(proxy, app, decision.live.as_ref());
    let handle = proxy.streams.open(key.clone(), StreamKind::Tunnel);
    let handle = handle.map_err(|_| ProxyError::StreamsFull)?;
    let mask = proxy.entropy.bytes();
    let is_watched = decision.live.is_some() && !opened.person_frames.is_empty();
    let watch = is_watched.then(|| FrameWatch::new(opened.person_frames));
    let (app, hearing) = (Arc::clone(app), Arc::clone(proxy));
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
        let heard = watch.as_ref().map(FrameWatch::heard);
        let (client, upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        let tunnel = tunnel(client, upstream, handle, mask, watch);
        let end = match heard {
            None => tunnel.await,
            Some(heard) => {
                let mut ear = Ear::new(key);
                let end = tokio::select! {
                    end = tunnel => end,
                    never = ear.hear(&hearing, &heard) => match never {},
                };
                ear.hear_out(&hearing, &heard).await;
                end
            }
        };
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
fn key(proxy: &Proxy, app: &AppRuntime, live: Option<&Live>) -> StreamKey {
    let app = &app.app.name;
    match live {
        Some(live) => StreamKey::of(live, app),
        None => StreamKey {
            lineage: proxy.entropy.lineage(),
            sid: Sid::from_bytes(proxy.entropy.bytes()),
            app: Arc::clone(app),
            route: RouteBounds::default(),
        },
    }
}
