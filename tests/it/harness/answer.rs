//! What a scripted app answers.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Frame;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

/// Chunks of a stream that wait to be sent.
const CHUNKS: usize = 64;

/// An answer.
pub(crate) struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: AppBody,
    pub(super) gate: Option<Gate>,
    pub(super) then: Then,
}

/// What the app does with the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    Answer,
    SpeakWebSocket,
    TalkWebSocket,
    BreakOff,
}

impl Answer {
    /// An empty answer of this status.
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("a test writes a status"),
            headers: HeaderMap::new(),
            body: AppBody::Whole(None),
            gate: None,
            then: Then::Answer,
        }
    }

    /// No answer: the connection breaks off.
    pub(crate) fn broken() -> Self {
        let mut answer = Self::status(500);
        answer.then = Then::BreakOff;
        answer
    }

    /// 200 and a page.
    pub(crate) fn page(text: &str) -> Self {
        Self::status(200)
            .header("content-type", "text/html")
            .body(text)
    }

    /// 302.
    pub(crate) fn redirect(to: &str) -> Self {
        Self::status(302).header("location", to)
    }

    /// 200 and JSON.
    pub(crate) fn json(value: &Value) -> Self {
        Self::status(200)
            .header("content-type", "application/json")
            .body(&value.to_string())
    }

    /// 200 and a body whose chunks the test sends one by one. It ends when the sender is dropped.
    pub(crate) fn stream(kind: &str) -> (Self, mpsc::Sender<Bytes>) {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        let mut answer = Self::status(200).header("content-type", kind);
        answer.body = AppBody::Chunks(chunks);
        (answer, sender)
    }

    /// 101: the app speaks WebSocket from here on.
    pub(crate) fn websocket(key: &str) -> Self {
        let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
        let mut answer = Self::status(101)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-accept", &accept);
        answer.then = Then::SpeakWebSocket;
        answer
    }

    /// The same, but the app talks without end, in frames that it sends in two pieces each.
    pub(crate) fn talking_websocket(key: &str) -> Self {
        let mut answer = Self::websocket(key);
        answer.then = Then::TalkWebSocket;
        answer
    }

    /// The same with another status.
    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = StatusCode::from_u16(status).expect("a test writes a status");
        self
    }

    /// The same with one more header.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        let name: HeaderName = name.parse().expect("a test writes a header");
        self.headers.append(
            name,
            HeaderValue::from_bytes(value.as_bytes()).expect("a test writes a header"),
        );
        self
    }

    /// The same with one more Set-Cookie.
    pub(crate) fn set_cookie(self, cookie: &str) -> Self {
        self.header("set-cookie", cookie)
    }

    /// The same with this body.
    pub(crate) fn body(mut self, text: &str) -> Self {
        self.body = AppBody::Whole(Some(Bytes::copy_from_slice(text.as_bytes())));
        self
    }

    /// The same, but sent only once the test opens the gate.
    pub(crate) fn held_by(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    pub(super) fn into_response(self) -> Response<AppBody> {
        let mut response = Response::new(self.body);
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers;
        response
    }
}

/// Holds answers back until a test lets them go. Stays open once it was opened.
#[derive(Clone)]
pub(crate) struct Gate(Arc<Semaphore>);

impl Gate {
    /// A closed gate.
    pub(crate) fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets everything go that waits, and all that comes.
    pub(crate) fn open(&self) {
        self.0.close();
    }

    pub(super) async fn pass(&self) {
        // It has no permits: the only way out is that it was closed, which opens the gate.
        assert!(self.0.acquire().await.is_err());
    }
}

/// The body of an answer.
pub(crate) enum AppBody {
    Whole(Option<Bytes>),
    Chunks(mpsc::Receiver<Bytes>),
}

impl http_body::Body for AppBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Chunks(chunks) => chunks
                .poll_recv(cx)
                .map(|chunk| chunk.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                http_body::SizeHint::with_exact(bytes.as_ref().map_or(0, Bytes::len) as u64)
            }
            Self::Chunks(_) => http_body::SizeHint::default(),
        }
    }
}
