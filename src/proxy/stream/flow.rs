//! One direction of a tunnel: a bounded buffer between a reader and a writer.
//!
//! Its state is in the value, not in a future: it may stop at any byte, and then knows exactly
//! what its receiver got.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::person::FrameWatch;
use super::progress::{Direction, Progress};
use super::websocket::{FrameTracker, Place};

/// Bytes of one direction that were read and not yet written, at most.
const BUFFER_BYTES_MAX: usize = 16 * 1024;

/// Reads and writes in one turn, at most, so that a flood one way leaves the other its turn.
const MOVES_MAX: usize = 16;

pub(super) struct Flow {
    direction: Direction,
    progress: Progress,
    buffer: Box<[u8]>,
    /// What was read and not yet written: `buffer[start..end]`.
    start: usize,
    end: usize,
    unflushed: bool,
    stage: Stage,
    /// Stands behind the last byte that was written.
    frames: FrameTracker,
    /// Listens for a person's messages, where the policy knows some.
    watch: Option<FrameWatch>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Its sender may send more.
    Open,
    /// Its sender has ended; the receiver does not know yet.
    Ended,
    /// Its receiver knows.
    Done,
}

impl Flow {
    pub(super) fn new(direction: Direction, progress: Progress) -> Self {
        Self {
            direction,
            progress,
            buffer: vec![0; BUFFER_BYTES_MAX].into_boxed_slice(),
            start: 0,
            end: 0,
            unflushed: false,
            stage: Stage::Open,
            frames: FrameTracker::new(),
            watch: None,
        }
    }

    /// The same, which listens for a person's messages.
    pub(super) fn watched(self, watch: Option<FrameWatch>) -> Self {
        Self { watch, ..self }
    }

    /// Where its receiver stands.
    pub(super) fn place(&self) -> Place {
        match self.stage {
            Stage::Done => Place::Closed,
            Stage::Open | Stage::Ended => self.frames.place(),
        }
    }

    /// Passes bytes on until the sender has ended and the receiver was told.
    pub(super) fn poll_pass<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        for _ in 0..MOVES_MAX {
            let pending = self.end - self.start;
            match self.stage {
                Stage::Done => return Poll::Ready(Ok(())),
                _ if pending > 0 => ready!(self.poll_drain(cx, to, pending))?,
                Stage::Ended => {
                    ready!(Pin::new(&mut *to).poll_shutdown(cx))?;
                    self.stage = Stage::Done;
                    self.progress.finish(self.direction);
                }
                Stage::Open => match self.poll_fill(cx, from) {
                    Poll::Ready(filled) => filled?,
                    // Nothing more to come for now: what was written must not wait either.
                    Poll::Pending if self.unflushed => {
                        ready!(Pin::new(&mut *to).poll_flush(cx))?;
                        self.unflushed = false;
                        return Poll::Pending;
                    }
                    Poll::Pending => return Poll::Pending,
                },
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Passes on the rest of the frame whose beginning its receiver got, and nothing behind it.
    pub(super) async fn finish_frame<R, W>(&mut self, from: &mut R, to: &mut W) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        while self.place() == Place::Inside {
            let pending = &self.buffer[self.start..self.end];
            match self.frames.rest_of_frame(pending) {
                None => return Err(io::ErrorKind::InvalidData.into()),
                Some(0) if self.stage != Stage::Open => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Some(0) => poll_fn(|cx| self.poll_fill(cx, from)).await?,
                Some(rest) => poll_fn(|cx| self.poll_drain(cx, to, rest)).await?,
            }
        }
        Ok(())
    }

    /// Throws away what its sender still sends, until that is a Close frame or the end.
    pub(super) async fn discard_until_close<R>(&mut self, from: &mut R) -> io::Result<()>
    where
        R: AsyncRead + Unpin,
    {
        loop {
            self.frames.follow(&self.buffer[self.start..self.end]);
            self.start = self.end;
            let has_left = matches!(self.frames.place(), Place::Closed | Place::Lost);
            if has_left || self.stage != Stage::Open {
                return Ok(());
            }
            poll_fn(|cx| self.poll_fill(cx, from)).await?;
        }
    }

    /// Reads once; only when nothing is pending, which is the back-pressure.
    fn poll_fill<R>(&mut self, cx: &mut Context<'_>, from: &mut R) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
    {
        let mut unfilled = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(from).poll_read(cx, &mut unfilled))?;
        (self.start, self.end) = (0, unfilled.filled().len());
        if self.end == 0 {
            self.stage = Stage::Ended;
        }
        Poll::Ready(Ok(()))
    }

    /// Writes once, up to `bytes_max` of what is pending.
    fn poll_drain<W>(
        &mut self,
        cx: &mut Context<'_>,
        to: &mut W,
        bytes_max: usize,
    ) -> Poll<io::Result<()>>
    where
        W: AsyncWrite + Unpin,
    {
        let pending = &self.buffer[self.start..self.start + bytes_max];
        let written = ready!(Pin::new(to).poll_write(cx, pending))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.frames.follow(&pending[..written]);
        if let Some(watch) = &mut self.watch {
            watch.follow(&pending[..written]);
        }
        self.progress.add(self.direction, written);
        self.start += written;
        self.unflushed = true;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests;
