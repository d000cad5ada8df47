//! One connection to an app's server, driven by the exchange that uses it.
//!
//! hyper gives a sender and a future that reads and writes. That future is usually a task of its
//! own; here it is polled by whoever waits for the answer, so that a request costs no wake-up from
//! one task to another, and a connection that rests costs no task.
//!
//! Under load, requests go out and answers are passed on in bursts: before each of the two steps the
//! exchange stands aside until the others that are ready have come as far. A server or client that
//! sleeps is then woken once for many, and to wake one is the dearest part of a write.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::yield_now;

use crate::proxy::body::RequestBody;
use crate::proxy::joined::Joined;

/// A connection.
pub(super) struct Connection {
    sender: SendRequest<RequestBody>,
    /// What reads and writes; none once it is over.
    driver: Option<Pin<Box<dyn Future<Output = hyper::Result<()>> + Send>>>,
}

impl Connection {
    pub(super) async fn over(stream: TcpStream) -> Result<Self, hyper::Error> {
        let (sender, connection) = handshake(TokioIo::new(Joined(stream))).await?;
        Ok(Self {
            sender,
            driver: Some(Box::pin(connection.with_upgrades())),
        })
    }

    /// Reads and writes as far as it can at once. What fails is told to whoever waits for the
    /// answer, or for its body.
    pub(super) fn drive(&mut self, cx: &mut Context<'_>) {
        let driver = self.driver.as_mut();
        if driver.is_some_and(|driver| driver.as_mut().poll(cx).is_ready()) {
            self.driver = None;
        }
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// # Errors
    /// When the connection fails. The request is given back where nothing of it was sent.
    pub(super) async fn exchange(
        &mut self,
        unsent: &mut Option<Request<RequestBody>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        let request = unsent.take().expect("who sends a request has one");
        let mut answer = pin!(self.sender.try_send_request(request));
        yield_now().await;
        let answer = poll_fn(|cx| {
            self.drive(cx);
            // Only the driver brings an answer, and it has just been polled: nobody else is to wake
            // this task.
            answer
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
        })
        .await;
        yield_now().await;
        answer.map_err(|mut error| {
            *unsent = error.take_message();
            error.into_error()
        })
    }

    /// Whether the next request may be sent.
    pub(super) fn is_free(&self) -> bool {
        self.driver.is_some() && self.sender.is_ready()
    }

    /// Whether nothing more can be sent.
    pub(super) fn is_over(&self) -> bool {
        self.driver.is_none() || self.sender.is_closed()
    }

    /// Goes on until the next request may be sent, or nothing more can be.
    pub(super) async fn settle(&mut self) {
        poll_fn(|cx| {
            self.drive(cx);
            match &self.driver {
                Some(_) => self.sender.poll_ready(cx).map(drop),
                None => Poll::Ready(()),
            }
        })
        .await;
    }
}
