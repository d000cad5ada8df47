//! A request's body that is lent to a connection: where the connection never came about, and so
//! nothing of the body was taken, it comes back for the next upstream.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::proxy::body::{Body, BodyError};

/// The body in the hands of a connection.
pub(super) struct Lent {
    body: Option<Body>,
    /// Where it goes back to; none from the first poll on.
    back: Option<oneshot::Sender<Body>>,
}

impl Lent {
    /// A body that is given away for good.
    pub(super) fn given(body: Body) -> Self {
        Self {
            body: Some(body),
            back: None,
        }
    }

    /// A body that comes back if it is dropped before it is polled.
    pub(super) fn lend(body: Body) -> (Self, oneshot::Receiver<Body>) {
        let (back, returned) = oneshot::channel();
        let mut lent = Self::given(body);
        lent.back = Some(back);
        (lent, returned)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let (Some(back), Some(body)) = (self.back.take(), self.body.take()) {
            // Nobody waits for it where the whole exchange was given up.
            drop(back.send(body));
        }
    }
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        self.back = None;
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        let hint = self.body.as_ref().map(HttpBody::size_hint);
        hint.unwrap_or_else(|| SizeHint::with_exact(0))
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn a_body_of_which_nothing_was_taken_comes_back() {
        let (lent, returned) = Lent::lend(Body::whole("order"));
        drop(lent);
        let body = returned.await.unwrap();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "order");
    }

    #[tokio::test]
    async fn a_body_that_was_begun_does_not_come_back() {
        let (mut lent, returned) = Lent::lend(Body::whole("order"));
        assert!(lent.frame().await.is_some());
        drop(lent);
        assert!(returned.await.is_err());
    }
}
