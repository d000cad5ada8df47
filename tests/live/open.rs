//! What one session has open at a gateway, and when each of it breaks off.

use std::time::Duration;

use curfew::clock::monotonic;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::it::harness::browser::Browser;
use crate::it::harness::soon;
use crate::it::harness::websocket::Socket;
use crate::{When, timed};

/// A WebSocket, an event stream and a download of one session.
pub(crate) struct Open {
    socket: Socket,
    events: Incoming,
    report: Incoming,
    /// When the download's first piece came; the others are passive.
    pub(crate) at: When,
}

/// When each broke off.
pub(crate) struct Cut {
    pub(crate) at: [(&'static str, Duration); 3],
}

impl Open {
    /// Opens all three.
    pub(crate) async fn with(browser: &Browser) -> Self {
        let events = begun(browser, "/events").await;
        let socket = opened(browser).await;
        let (report, at) = timed(begun(browser, "/report")).await;
        Self {
            socket,
            events,
            report,
            at,
        }
    }

    /// Waits until all are cut, the WebSocket with this reason.
    pub(crate) async fn cut(self, reason: &str) -> Cut {
        let closed = async {
            // Each frame before it was whole, or the client would have complained.
            let (code, told) = self.socket.closed().await;
            let at = monotonic();
            assert_eq!((code, &*told), (1008, reason));
            at
        };
        let (socket, events, report) =
            tokio::join!(closed, broken(self.events), broken(self.report));
        Cut {
            at: [
                ("the WebSocket", socket),
                ("the event stream", events),
                ("the download", report),
            ],
        }
    }
}

/// Opens a WebSocket, and hears the app in it.
pub(crate) async fn opened(browser: &Browser) -> Socket {
    let socket = Socket::open(browser, browser.address, "/ws").await;
    let socket = socket.unwrap_or_else(|status| panic!("refused with {status}"));
    let (socket, heard) = socket.hear().await;
    assert_eq!(heard, "hello");
    socket
}

/// A body that goes on, after its first piece.
async fn begun(browser: &Browser, target: &str) -> Incoming {
    let answer = browser.stream(target).await;
    assert_eq!(answer.status(), 200, "{target}");
    let mut body = answer.into_body();
    let first = soon("the first piece", body.frame()).await;
    assert!(matches!(first, Some(Ok(_))), "{target}: {first:?}");
    body
}

/// When a body broke off. One that looks whole was not cut.
async fn broken(mut body: Incoming) -> Duration {
    let end = soon("the end of a body", body.frame()).await;
    assert!(matches!(end, Some(Err(_))), "{end:?}");
    monotonic()
}
