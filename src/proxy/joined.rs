//! A connection on which short slices are written as one.
//!
//! hyper hands over a head and a body in two slices. Where both are short, to copy them costs less
//! than the kernel's way through a list of slices.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are copied at most.
const JOINED_BYTES_MAX: usize = 2048;

/// The connection.
pub(crate) struct Joined<S>(pub(crate) S);

impl<S: AsyncRead + Unpin> AsyncRead for Joined<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Joined<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let inner = Pin::new(&mut self.0);
        if let [only] = slices {
            return inner.poll_write(cx, only);
        }
        if slices.iter().map(|slice| slice.len()).sum::<usize>() > JOINED_BYTES_MAX {
            return inner.poll_write_vectored(cx, slices);
        }
        let mut joined = SmallVec::<[u8; JOINED_BYTES_MAX]>::new();
        for slice in slices {
            joined.extend_from_slice(slice);
        }
        inner.poll_write(cx, &joined)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::{JOINED_BYTES_MAX, Joined};

    #[tokio::test]
    async fn what_is_written_in_slices_arrives_in_order_whatever_its_length() {
        for length in [0, 1, JOINED_BYTES_MAX - 4, JOINED_BYTES_MAX - 3, 9_000] {
            let (ours, mut theirs) = duplex(16_384);
            let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let whole = [b"head".as_slice(), &body].concat();
            let mut slices = [IoSlice::new(b"head"), IoSlice::new(&body)];
            let mut slices = slices.as_mut_slice();
            let mut joined = Joined(ours);
            while !slices.is_empty() {
                let written = joined.write_vectored(slices).await.unwrap();
                IoSlice::advance_slices(&mut slices, written);
            }
            drop(joined);
            let mut arrived = Vec::new();
            theirs.read_to_end(&mut arrived).await.unwrap();
            assert_eq!(arrived, whole, "{length}");
        }
    }
}
