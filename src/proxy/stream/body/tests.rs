use std::collections::VecDeque;
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, header};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use crate::domain::identity::{Lineage, Sid};
use crate::domain::limits::RouteBounds;
use crate::domain::session::EndReason;
use crate::proxy::stream::handle::StreamHandle;
use crate::proxy::stream::progress::{Direction, Progress};
use crate::proxy::stream::registry::{StreamKey, StreamKind, StreamRegistry};

use super::{BodyError, CountedBody, StreamCut};

const LINEAGE: Lineage = Lineage::from_bytes([1; 16]);

fn open(registry: &StreamRegistry) -> StreamHandle {
    let key = StreamKey {
        lineage: LINEAGE,
        sid: Sid::from_bytes([2; 16]),
        app: "procurement".into(),
        route: RouteBounds::default(),
    };
    registry.open(key, StreamKind::Body).unwrap()
}

/// A body that yields what it was given, in order; where it has no more, it waits for more.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Script>>);

#[derive(Default)]
struct Script {
    frames: VecDeque<Result<Frame<Bytes>, io::Error>>,
    is_over: bool,
    waiting: Option<Waker>,
}

impl Scripted {
    fn give(&self, frame: Result<Frame<Bytes>, io::Error>) {
        let mut script = self.0.lock().unwrap();
        script.frames.push_back(frame);
        script.waiting.take().into_iter().for_each(Waker::wake);
    }

    fn data(self, text: &'static str) -> Self {
        self.give(Ok(Frame::data(Bytes::from_static(text.as_bytes()))));
        self
    }

    fn trailers(self, names: &[&'static str]) -> Self {
        let fields = names.iter().map(|name| {
            (
                header::HeaderName::from_static(name),
                header::HeaderValue::from_static("x"),
            )
        });
        self.give(Ok(Frame::trailers(HeaderMap::from_iter(fields))));
        self
    }

    fn over(self) -> Self {
        self.0.lock().unwrap().is_over = true;
        self
    }
}

impl Body for Scripted {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let mut script = self.0.lock().unwrap();
        match script.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None if script.is_over => Poll::Ready(None),
            None => {
                script.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn to_client<B: Body>(body: B) -> (CountedBody<B>, Progress) {
    let progress = Progress::default();
    let body = CountedBody::new(body, Direction::ToClient, progress.clone());
    (body, progress)
}

async fn data(body: &mut (impl Body<Data = Bytes, Error: std::fmt::Debug> + Unpin)) -> Bytes {
    body.frame().await.unwrap().unwrap().into_data().unwrap()
}

#[tokio::test]
async fn each_frame_is_counted_as_it_passes() {
    let (mut body, progress) = to_client(Scripted::default().data("order").data("s").over());
    let mut seen = Vec::new();
    for _ in 0..2 {
        let frame = data(&mut body).await;
        seen.push((frame, progress.bytes(Direction::ToClient)));
    }
    assert_eq!(seen, [("order".into(), 5), ("s".into(), 6)]);
    assert!(!progress.is_finished(Direction::ToClient));
    assert!(body.frame().await.is_none());
    assert!(progress.is_finished(Direction::ToClient));
    assert_eq!(progress.bytes(Direction::ToUpstream), 0);
    assert!(!progress.is_finished(Direction::ToUpstream));
}

#[tokio::test]
async fn a_body_of_known_length_is_finished_with_its_last_byte() {
    let (mut body, progress) = to_client(Full::new(Bytes::from_static(b"12345")));
    assert_eq!(body.size_hint().exact(), Some(5));
    assert!(!body.is_end_stream());
    assert!(!progress.is_finished(Direction::ToClient));
    assert_eq!(data(&mut body).await, "12345");
    assert!(body.is_end_stream());
    assert!(progress.is_finished(Direction::ToClient));
}

#[test]
fn an_empty_body_is_finished_before_it_is_polled() {
    let (body, progress) = to_client(Empty::<Bytes>::new());
    assert!(body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(0));
    assert!(progress.is_finished(Direction::ToClient));
}

#[test]
fn a_body_of_unknown_length_stays_one() {
    let (body, _) = to_client(Scripted::default());
    assert_eq!(body.size_hint().upper(), SizeHint::default().upper());
    assert!(!body.is_end_stream());
}

#[tokio::test]
async fn a_body_that_breaks_tells_so_and_is_not_finished() {
    let script = Scripted::default().data("x");
    script.give(Err(io::ErrorKind::ConnectionReset.into()));
    let (mut body, progress) = to_client(script);
    assert_eq!(data(&mut body).await, "x");
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(matches!(error, BodyError::Broken(_)));
    assert!(body.frame().await.is_none());
    assert!(!progress.is_finished(Direction::ToClient));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_is_over_at_its_deadline() {
    const LIMIT: Duration = Duration::from_secs(30);
    let script = Scripted::default();
    let (body, progress) = to_client(script.clone());
    let mut body = body.within(LIMIT);
    let dripping = tokio::spawn(async move {
        loop {
            script.give(Ok(Frame::data(Bytes::from_static(b"x"))));
            tokio::time::sleep(Duration::from_secs(7)).await;
        }
    });
    for _ in 0..5 {
        assert_eq!(data(&mut body).await, "x");
    }
    let error = body.frame().await.unwrap().unwrap_err();
    assert!(matches!(error, BodyError::Late(LIMIT)), "{error}");
    assert!(!progress.is_finished(Direction::ToClient));
    dripping.abort();
}

#[tokio::test]
async fn trailers_to_the_client_lose_what_only_a_head_may_say() {
    let (mut body, _) = to_client(
        Scripted::default()
            .trailers(&["set-cookie", "x-checksum", "transfer-encoding", "cookie"])
            .over(),
    );
    let trailers = body.frame().await.unwrap().unwrap();
    let trailers = trailers.into_trailers().unwrap();
    let names: Vec<&str> = trailers.keys().map(header::HeaderName::as_str).collect();
    assert_eq!(names, ["x-checksum"]);
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn trailers_of_which_nothing_is_left_are_no_frame() {
    let (mut body, progress) = to_client(Scripted::default().trailers(&["authorization"]).over());
    assert!(body.frame().await.is_none());
    assert!(progress.is_finished(Direction::ToClient));
}

#[tokio::test]
async fn no_trailer_reaches_an_app() {
    let script = Scripted::default()
        .data("x")
        .trailers(&["x-session", "x-checksum"])
        .over();
    let mut body = CountedBody::new(script, Direction::ToUpstream, Progress::default());
    assert_eq!(data(&mut body).await, "x");
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn a_cut_ends_a_waiting_body_with_its_reason() {
    for direction in [Direction::ToClient, Direction::ToUpstream] {
        let registry = StreamRegistry::new(1);
        let handle = open(&registry);
        let progress = handle.progress().clone();
        let mut body = CountedBody::cuttable(Scripted::default().data("x"), direction, handle);
        assert_eq!(data(&mut body).await, "x");
        let waiting = tokio::spawn(async move {
            let error = body.frame().await.unwrap().unwrap_err();
            (error, body.frame().await.is_none())
        });
        tokio::task::yield_now().await;
        registry.cut(LINEAGE, EndReason::IdleTimeout);
        let (error, is_over) = waiting.await.unwrap();
        assert!(matches!(
            error,
            BodyError::Cut(StreamCut(EndReason::IdleTimeout))
        ));
        assert!(is_over);
        assert_eq!(progress.bytes(direction), 1);
        assert!(!progress.is_finished(direction));
    }
}

#[tokio::test]
async fn both_bodies_of_an_exchange_are_cut_by_one_handle() {
    let registry = StreamRegistry::new(1);
    let handle = open(&registry);
    let bodies = [Direction::ToClient, Direction::ToUpstream].map(|direction| {
        let mut body = CountedBody::cuttable(Scripted::default(), direction, handle.clone());
        tokio::spawn(async move { body.frame().await.unwrap().is_err() })
    });
    drop(handle);
    tokio::task::yield_now().await;
    assert_eq!(registry.cut(LINEAGE, EndReason::Logout), 1);
    for body in bodies {
        assert!(body.await.unwrap());
    }
    assert_eq!(registry.len(StreamKind::Body), 0);
}

#[tokio::test]
async fn a_cut_comes_before_what_is_ready() {
    let registry = StreamRegistry::new(1);
    let script = Scripted::default().data("secret").over();
    let mut body = CountedBody::cuttable(script, Direction::ToClient, open(&registry));
    registry.cut(LINEAGE, EndReason::Revoked);
    assert!(body.frame().await.unwrap().is_err());
}

/// Everything that an HTTP/1.1 client reads of one answer until the connection closes.
async fn answer(registry: &StreamRegistry, script: Scripted, cut_after: &[u8]) -> String {
    let (mut client, server) = duplex(4096);
    let handle = open(registry);
    let service = service_fn(move |_| {
        let body = CountedBody::cuttable(script.clone(), Direction::ToClient, handle.clone());
        async { Ok::<_, Infallible>(Response::new(body)) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(server), service);
    let serving = tokio::spawn(connection);
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    client.write_all(request).await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(cut_after) {
        assert_ne!(client.read_buf(&mut read).await.unwrap(), 0);
    }
    registry.cut(LINEAGE, EndReason::Revoked);
    client.read_to_end(&mut read).await.unwrap();
    // How hyper words the end is not ours; the client's bytes are what counts.
    serving.await.unwrap().ok();
    String::from_utf8(read).unwrap()
}

#[tokio::test]
async fn a_cut_chunked_answer_never_gets_its_last_chunk() {
    let registry = StreamRegistry::new(1);
    let script = Scripted::default().data("event");
    let read = answer(&registry, script, b"5\r\nevent\r\n").await;
    assert!(read.contains("transfer-encoding: chunked"), "{read}");
    assert!(read.ends_with("5\r\nevent\r\n"), "{read}");
    let uncut = Scripted::default().data("event").over();
    let read = answer(&registry, uncut, b"0\r\n\r\n").await;
    assert!(read.ends_with("5\r\nevent\r\n0\r\n\r\n"), "{read}");
}
