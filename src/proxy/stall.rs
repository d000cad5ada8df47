//! A connection whose peer must go on reading: a write that makes no progress for too long fails,
//! and with it the connection.
//!
//! hyper polls a body only while it has room for it. Without this a client that stops reading
//! would keep its connection and the place of its stream, and never see a cut.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::stream::patience::Patience;

/// The guarded connection.
pub(crate) struct StallGuard<S> {
    inner: S,
    patience: Patience,
}

impl<S> StallGuard<S> {
    /// Lets a write wait this long for any progress.
    pub(crate) fn new(inner: S, limit: Duration) -> Self {
        let patience = Patience::new(limit);
        Self { inner, patience }
    }

    fn guard<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.patience.renew();
            return written;
        }
        let spent = self.patience.poll_spent(cx);
        spent.map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallGuard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StallGuard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.guard(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, slices);
        self.guard(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.inner).poll_flush(cx);
        self.guard(cx, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.inner).poll_shutdown(cx);
        self.guard(cx, shut)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::sleep;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn a_write_that_nobody_reads_fails_at_the_limit() {
        let (ours, _theirs) = duplex(4);
        let mut guarded = StallGuard::new(ours, LIMIT);
        guarded.write_all(b"1234").await.unwrap();
        let mut write = std::pin::pin!(guarded.write_all(b"5"));
        let before = LIMIT - Duration::from_millis(1);
        assert!(tokio::time::timeout(before, &mut write).await.is_err());
        let error = write.await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_keeps_its_connection() {
        let (ours, mut theirs) = duplex(4);
        let mut guarded = StallGuard::new(ours, LIMIT);
        let read = tokio::spawn(async move {
            let mut all = Vec::new();
            for _ in 0..12 {
                sleep(LIMIT - Duration::from_secs(1)).await;
                all.push(theirs.read_u8().await.unwrap());
            }
            all
        });
        guarded.write_all(b"slow but sure").await.unwrap();
        assert_eq!(read.await.unwrap(), b"slow but sur");
    }
}
