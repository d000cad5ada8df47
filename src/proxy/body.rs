//! The bodies that pass through: streamed as they come, or held whole where one had to be read.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::Full;
use hyper::body::Incoming;

use crate::clock::monotonic;
use crate::telemetry::Telemetry;
use crate::telemetry::access_log::AccessEntry;

use super::stream::body::CountedBody;
use super::stream::progress::{Direction, Progress};

/// What a body may fail with.
pub(crate) type BodyError = Box<dyn std::error::Error + Send + Sync>;

/// A body, in either direction, of which `S` is what is passed on.
pub(crate) struct Body<S> {
    content: Content<S>,
    /// What is logged when it is over; none where nothing is.
    tail: Option<Box<Tail>>,
}

/// Who sends a body that is passed on.
pub(crate) trait Source: HttpBody<Data = Bytes, Error = hyper::Error> + Unpin {}

impl<S: HttpBody<Data = Bytes, Error = hyper::Error> + Unpin> Source for S {}

/// A request's.
pub(crate) type RequestBody = Body<Incoming>;

enum Content<S> {
    /// Passed on frame by frame, behind what was read of it before.
    Passing {
        read: Bytes,
        rest: Box<CountedBody<S>>,
    },
    /// Held whole.
    Whole(Full<Bytes>),
}

impl<S: Source> Body<S> {
    pub(crate) fn empty() -> Self {
        Self::from(Content::Whole(Full::default()))
    }

    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::from(Content::Whole(Full::new(bytes.into())))
    }

    pub(crate) fn passing(body: CountedBody<S>) -> Self {
        Self::resumed(Bytes::new(), body)
    }

    /// A body that is passed on although its beginning was read already.
    pub(crate) fn resumed(read: Bytes, rest: CountedBody<S>) -> Self {
        let rest = Box::new(rest);
        Self::from(Content::Passing { read, rest })
    }

    /// How far a body that is passed on got; none for one that is held whole.
    pub(crate) fn progress(&self) -> Option<&Progress> {
        match &self.content {
            Content::Passing { rest, .. } => Some(rest.progress()),
            Content::Whole(_) => None,
        }
    }

    /// Whether it certainly holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.is_end_stream()
    }

    /// The same body, whose exchange is logged when the body is over.
    pub(crate) fn logged(self, mut tail: Tail) -> Self {
        tail.progress = self.progress().cloned();
        let tail = Some(Box::new(tail));
        Self { tail, ..self }
    }
}

impl<S> From<Content<S>> for Body<S> {
    fn from(content: Content<S>) -> Self {
        Self {
            content,
            tail: None,
        }
    }
}

/// The line of the access log that waits for the end of an answer's body: sent whole, broken off
/// or never wanted, it is dropped exactly once.
pub(crate) struct Tail {
    pub(crate) entry: Option<AccessEntry>,
    pub(crate) telemetry: Arc<Telemetry>,
    /// When the exchange began, on the monotonic clock.
    pub(crate) began: Duration,
    /// How far a body that is passed on got; `logged` fills it in.
    pub(crate) progress: Option<Progress>,
}

impl Drop for Tail {
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            let progress = self.progress.as_ref();
            entry.complete = progress.is_none_or(|body| body.is_finished(Direction::ToClient));
            entry.total = monotonic().saturating_sub(self.began);
            self.telemetry.access.record(|| entry);
        }
    }
}

impl<S: Source> HttpBody for Body<S> {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = match &mut self.content {
            Content::Passing { read, .. } if !read.is_empty() => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(read)))))
            }
            Content::Passing { rest, .. } => Pin::new(rest.as_mut())
                .poll_frame(cx)
                .map_err(BodyError::from),
            Content::Whole(body) => Pin::new(body)
                .poll_frame(cx)
                .map_err(|never| match never {}),
        };
        if let (Poll::Ready(Some(Ok(frame))), Some(tail)) = (&frame, &mut self.tail)
            && let (Some(data), Some(entry)) = (frame.data_ref(), &mut tail.entry)
        {
            entry.bytes_out += data.len() as u64;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Passing { read, rest } => read.is_empty() && rest.is_end_stream(),
            Content::Whole(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Passing { read, rest } if read.is_empty() => rest.size_hint(),
            Content::Passing { read, rest } => {
                let read = read.len() as u64;
                let rest = rest.size_hint();
                let mut hint = SizeHint::new();
                hint.set_lower(read + rest.lower());
                if let Some(upper) = rest.upper() {
                    hint.set_upper(read + upper);
                }
                hint
            }
            Content::Whole(body) => HttpBody::size_hint(body),
        }
    }
}
