//! An upgraded connection: bytes both ways until one side closes or the session ends.
//!
//! From a cut on, nothing that the client sends reaches the app. The client gets no more of the
//! app than the rest of a frame it has begun to receive, then learns the reason in a Close frame.
//! A tunnel without an end of its own lives as long as its session, which the absolute timeout
//! bounds.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::domain::session::EndReason;

use super::flow::Flow;
use super::handle::StreamHandle;
use super::person::FrameWatch;
use super::progress::Direction;
use super::websocket::{CloseCode, Place, close_frame};

/// How long a cut waits for the rest of a frame, and for the client to take the Close frame.
pub(crate) const CLOSE_WITHIN: Duration = Duration::from_millis(500);

/// How long a cut then waits for the client's own Close frame, and for the upstream to take ours.
/// With `CLOSE_WITHIN` it stays under a second.
pub(crate) const ANSWER_WITHIN: Duration = Duration::from_millis(400);

/// How a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TunnelEnd {
    /// Bytes that the client was sent, our Close frame apart.
    pub(crate) to_client: u64,
    /// Bytes that the upstream was sent, our Close frame apart.
    pub(crate) to_upstream: u64,
    /// Why it ended.
    pub(crate) why: Why,
}

/// Why a tunnel ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Its two ends were through with each other.
    Closed,
    /// Its session ended.
    Cut(EndReason),
    /// A connection broke.
    Error(io::ErrorKind),
}

/// Runs a tunnel of WebSocket frames (RFC 6455) to its end. Both connections are closed when it returns.
///
/// `mask` masks our Close frame to the upstream: random, drawn for this tunnel. `watch` listens for
/// a person's messages in what the client sends.
pub(crate) async fn tunnel<C, U>(
    client: C,
    upstream: U,
    handle: StreamHandle,
    mask: [u8; 4],
    watch: Option<FrameWatch>,
) -> TunnelEnd
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    let flow = |direction| Flow::new(direction, handle.progress().clone());
    let mut tunnel = Tunnel {
        client,
        upstream,
        to_client: flow(Direction::ToClient),
        to_upstream: flow(Direction::ToUpstream).watched(watch),
    };
    let why = tunnel.pass(&handle).await;
    if let Why::Cut(reason) = why {
        tunnel.take_leave(reason, mask).await;
    }
    TunnelEnd {
        to_client: handle.progress().bytes(Direction::ToClient),
        to_upstream: handle.progress().bytes(Direction::ToUpstream),
        why,
    }
}

struct Tunnel<C, U> {
    client: C,
    upstream: U,
    to_client: Flow,
    to_upstream: Flow,
}

impl<C, U> Tunnel<C, U>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
{
    /// Passes bytes both ways; a side that ends its half may still receive.
    async fn pass(&mut self, handle: &StreamHandle) -> Why {
        let Self {
            client,
            upstream,
            to_client,
            to_upstream,
        } = self;
        let passed = poll_fn(|cx| {
            if let Poll::Ready(reason) = handle.poll_cut(Direction::ToClient, cx) {
                return Poll::Ready(Ok(Why::Cut(reason)));
            }
            let down = to_client.poll_pass(cx, upstream, client)?;
            let up = to_upstream.poll_pass(cx, client, upstream)?;
            match (down, up) {
                (Poll::Ready(()), Poll::Ready(())) => Poll::Ready(Ok(Why::Closed)),
                _ => Poll::Pending,
            }
        })
        .await;
        passed.unwrap_or_else(|error: io::Error| self.why_broken(&error))
    }

    /// A connection that breaks after a Close frame, or after one side had ended, was merely not
    /// closed in good order.
    fn why_broken(&self, error: &io::Error) -> Why {
        let places = [self.to_client.place(), self.to_upstream.place()];
        if places.contains(&Place::Closed) {
            Why::Closed
        } else {
            Why::Error(error.kind())
        }
    }

    /// Says why to the client, and to the upstream that the client is gone.
    async fn take_leave(mut self, reason: EndReason, mask: [u8; 4]) {
        let told = timeout(CLOSE_WITHIN, self.tell_client(reason)).await;
        let was_told = matches!(told, Ok(Ok(())));
        let Self {
            mut client,
            upstream,
            to_upstream,
            ..
        } = self;
        let is_at_boundary = to_upstream.place() == Place::Boundary;
        let part_with_client = async {
            if was_told {
                hear_out(&mut client, to_upstream).await
            } else {
                Ok(())
            }
        };
        let part_with_upstream = async {
            let mask = is_at_boundary.then_some(mask);
            part_with_upstream(upstream, mask).await
        };
        // Whether they answered changes nothing: both connections are closed by the drop.
        let (_client, _upstream) = tokio::join!(
            timeout(ANSWER_WITHIN, part_with_client),
            timeout(ANSWER_WITHIN, part_with_upstream),
        );
    }

    /// Puts a Close frame behind the frame that the client is receiving. Where the client's side
    /// cannot be in step any more, or had its Close frame before, it is told nothing.
    async fn tell_client(&mut self, reason: EndReason) -> io::Result<()> {
        let Self {
            client,
            upstream,
            to_client,
            ..
        } = self;
        to_client.finish_frame(upstream, client).await?;
        if to_client.place() == Place::Boundary {
            let reason = format!("session_{reason}");
            let close = close_frame(CloseCode::PolicyViolation, &reason, None);
            client.write_all(&close).await?;
            client.flush().await?;
        }
        Ok(())
    }
}

/// Lets the client answer the Close frame. Reading on also keeps the kernel from resetting a
/// connection with unread data, which could take the Close frame with it.
async fn hear_out<C>(client: &mut C, mut to_upstream: Flow) -> io::Result<()>
where
    C: AsyncRead + AsyncWrite + Unpin,
{
    to_upstream.discard_until_close(client).await?;
    client.shutdown().await
}

/// Closes the upstream, with a Close frame where one can be put.
async fn part_with_upstream<U>(mut upstream: U, mask: Option<[u8; 4]>) -> io::Result<()>
where
    U: AsyncWrite + Unpin,
{
    if mask.is_some() {
        let close = close_frame(CloseCode::GoingAway, "", mask);
        upstream.write_all(&close).await?;
    }
    upstream.shutdown().await
}

#[cfg(test)]
mod tests;
