//! A body that is counted, and cut when its session ends.
//!
//! Frames pass as they come, one at a time. A cut body ends with an error, so that its receiver
//! sees an aborted body (a missing last chunk, too few bytes), never a complete one.
//!
//! hyper polls a body only while it has room for it: where the receiver has stopped reading, a
//! cut is seen when it reads again. Who owns the connection must bound that wait; `StallGuard`
//! does.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Buf;
use http::header::{self, HeaderMap, HeaderName};
use http_body::{Body, Frame, SizeHint};

use crate::domain::session::EndReason;

use super::handle::StreamHandle;
use super::patience::Patience;
use super::progress::{Direction, Progress};

/// The body's session ended while it was under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cut, because its session ended: {0}")]
pub(crate) struct StreamCut(pub(crate) EndReason);

/// Why a body ended before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError<E> {
    /// The gateway cut it.
    #[error(transparent)]
    Cut(#[from] StreamCut),
    /// It took longer than a body that nobody cuts may take.
    #[error("the body was not over within {}", humantime::format_duration(*.0))]
    Late(Duration),
    /// Where it comes from, it broke.
    #[error("the body broke")]
    Broken(#[source] E),
}

/// A body whose bytes are counted as they pass.
pub(crate) struct CountedBody<B> {
    inner: B,
    direction: Direction,
    progress: Progress,
    handle: Option<StreamHandle>,
    patience: Option<Patience>,
    has_failed: bool,
}

impl<B: Body> CountedBody<B> {
    /// A body that belongs to no session.
    pub(crate) fn new(inner: B, direction: Direction, progress: Progress) -> Self {
        let body = Self {
            inner,
            direction,
            progress,
            handle: None,
            patience: None,
            has_failed: false,
        };
        body.note_end();
        body
    }

    /// A body that is cut with its session, counted by the handle.
    pub(crate) fn cuttable(inner: B, direction: Direction, handle: StreamHandle) -> Self {
        let progress = handle.progress().clone();
        let mut body = Self::new(inner, direction, progress);
        body.handle = Some(handle);
        body
    }

    /// The same body, which fails once it has kept its receiver waiting: from the first wait on, it
    /// must be over within this.
    pub(crate) fn within(mut self, limit: Duration) -> Self {
        self.patience = Some(Patience::new(limit));
        self
    }

    /// How far it got.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// A body of known length is not polled behind its last byte.
    fn note_end(&self) {
        if self.inner.is_end_stream() {
            self.progress.finish(self.direction);
        }
    }

    /// What goes on of a frame.
    fn pass(&self, frame: Frame<B::Data>) -> Option<Frame<B::Data>> {
        let passed = match frame.into_data() {
            Ok(data) => {
                self.progress.add(self.direction, data.remaining());
                if let Some(handle) = &self.handle {
                    handle.moved();
                }
                Some(Frame::data(data))
            }
            Err(other) => {
                let trailers = other.into_trailers().ok()?;
                admissible(trailers, self.direction).map(Frame::trailers)
            }
        };
        self.note_end();
        passed
    }

    /// What ends a body that has nothing to pass on.
    fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<BodyError<B::Error>> {
        if let Some(handle) = &self.handle
            && let Poll::Ready(reason) = handle.poll_cut(self.direction, cx)
        {
            return Poll::Ready(StreamCut(reason).into());
        }
        match &mut self.patience {
            Some(patience) => {
                let spent = patience.poll_spent(cx);
                spent.map(|()| BodyError::Late(patience.limit()))
            }
            None => Poll::Pending,
        }
    }
}

type Next<B> = Option<Result<Frame<<B as Body>::Data>, BodyError<<B as Body>::Error>>>;

impl<B: Body + Unpin> CountedBody<B> {
    /// A cut comes before what is ready: a flood would keep it waiting for ever.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next<B>> {
        let cut = self.handle.as_ref().and_then(StreamHandle::cut_reason);
        if let Some(reason) = cut {
            return Poll::Ready(Some(Err(StreamCut(reason).into())));
        }
        loop {
            match Pin::new(&mut self.inner).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    if let Some(frame) = self.pass(frame) {
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    return Poll::Ready(Some(Err(BodyError::Broken(error))));
                }
                Poll::Ready(None) => {
                    self.progress.finish(self.direction);
                    return Poll::Ready(None);
                }
                Poll::Pending => {
                    return self.poll_ended(cx).map(|error| Some(Err(error)));
                }
            }
        }
    }
}

impl<B: Body + Unpin> Body for CountedBody<B> {
    type Data = B::Data;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, Self::Error>>> {
        let this = self.get_mut();
        if this.has_failed {
            return Poll::Ready(None);
        }
        let polled = this.poll_next(cx);
        this.has_failed = matches!(polled, Poll::Ready(Some(Err(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B> fmt::Debug for CountedBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CountedBody")
            .field("direction", &self.direction)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

/// Fields that mean something in a head alone (RFC 9110, 6.5.1): they frame a message, belong to
/// one connection, or say who somebody is.
const NEVER_A_TRAILER: [HeaderName; 17] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_TYPE,
    header::CONTENT_RANGE,
    header::COOKIE,
    header::SET_COOKIE,
    header::AUTHORIZATION,
    header::WWW_AUTHENTICATE,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
];

/// What goes on of the trailers. To an app, none: any of them could carry an id of its, and no
/// verdict is left to wait for.
fn admissible(mut trailers: HeaderMap, direction: Direction) -> Option<HeaderMap> {
    if direction == Direction::ToUpstream {
        return None;
    }
    for name in &NEVER_A_TRAILER {
        trailers.remove(name);
    }
    (!trailers.is_empty()).then_some(trailers)
}

#[cfg(test)]
mod tests;
