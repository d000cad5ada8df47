//! An answer's body, and the connection it comes over: read to its end, it gives the connection
//! back.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::connection::Connection;
use super::server::Server;

/// What an app's server answers, as it comes.
pub(crate) struct Received {
    incoming: Incoming,
    /// Where it comes from, until it is over.
    over: Option<(Connection, Arc<Server>)>,
}

impl Received {
    pub(super) fn new(incoming: Incoming, connection: Connection, server: Arc<Server>) -> Self {
        Self {
            incoming,
            over: Some((connection, server)),
        }
    }

    /// Drives the connection to its end, as it must be for an upgrade to happen.
    pub(crate) async fn switch_protocols(mut self) {
        if let Some((mut connection, _)) = self.over.take() {
            connection.settle().await;
        }
    }

    /// What has come of it together with the head, which is all of most answers.
    pub(crate) async fn at_once(&mut self) -> Result<Option<Bytes>, hyper::Error> {
        if self.incoming.size_hint().exact().is_none() {
            return Ok(None);
        }
        let polled = poll_fn(|cx| Poll::Ready(Pin::new(&mut *self).poll_frame(cx))).await;
        match polled {
            Poll::Ready(Some(frame)) => Ok(frame?.into_data().ok()),
            Poll::Ready(None) | Poll::Pending => Ok(None),
        }
    }

    fn drive(&mut self, cx: &mut Context<'_>) {
        if let Some((connection, _)) = &mut self.over {
            connection.drive(cx);
        }
    }

    fn give_back(&mut self) {
        if let Some((connection, server)) = self.over.take() {
            server.take_back(connection);
        }
    }
}

impl HttpBody for Received {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        // The connection reads for a body that was asked for, so it is asked first and once more
        // behind; only the connection brings frames, so nobody else is to wake this task.
        let quiet = &mut Context::from_waker(Waker::noop());
        let mut polled = Pin::new(&mut self.incoming).poll_frame(quiet);
        if polled.is_pending() {
            self.drive(cx);
            polled = Pin::new(&mut self.incoming).poll_frame(quiet);
        }
        if matches!(polled, Poll::Ready(None)) || self.incoming.is_end_stream() {
            self.give_back();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.give_back();
        }
    }
}
