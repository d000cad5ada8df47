//! A WebSocket client that is not ours, on a thread of its own.

use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio_tungstenite::tungstenite::client::client;
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket};

use super::browser::{Browser, HOST};

/// How long it waits for a frame.
const WAIT: Duration = Duration::from_secs(10);

/// An open WebSocket.
pub(crate) struct Socket(WebSocket<TcpStream>);

/// How a handshake ended.
pub(crate) type Opened = Result<Socket, u16>;

impl Socket {
    /// Opens one with a browser's cookies; the status where it was refused.
    pub(crate) async fn open(browser: &Browser, address: SocketAddr, path: &str) -> Opened {
        let cookies = browser.jar.header(HOST, path).unwrap_or_default();
        let request = http::Request::get(format!("ws://{HOST}{path}"))
            .header("host", HOST)
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("cookie", cookies)
            .body(());
        let request = request.expect("a test writes a request");
        apart(move || {
            let stream = TcpStream::connect(address).expect("it listens");
            let waits = stream.set_read_timeout(Some(WAIT));
            waits.expect("a socket takes a timeout");
            match client(request, stream) {
                Ok((socket, _)) => Ok(Self(socket)),
                Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
                Err(error) => panic!("no handshake: {error}"),
            }
        })
        .await
    }

    /// Sends a text.
    pub(crate) async fn say(mut self, text: &str) -> Self {
        let message = Message::text(text.to_owned());
        apart(move || {
            self.0.send(message).expect("it is open");
            self
        })
        .await
    }

    /// Sends binary data.
    pub(crate) async fn send(mut self, bytes: &'static [u8]) -> Self {
        apart(move || {
            self.0.send(Message::binary(bytes)).expect("it is open");
            self
        })
        .await
    }

    /// The next text.
    pub(crate) async fn hear(mut self) -> (Self, String) {
        apart(move || {
            let message = self.0.read().expect("a frame comes");
            let text = message.into_text().expect("a text comes");
            (self, text.to_string())
        })
        .await
    }

    /// Waits for the Close frame: its code and reason.
    pub(crate) async fn closed(mut self) -> (u16, String) {
        apart(move || {
            loop {
                match self.0.read() {
                    Ok(Message::Close(Some(close))) => {
                        return (close.code.into(), close.reason.to_string());
                    }
                    Ok(_) => {}
                    Err(error) => panic!("no Close frame: {error}"),
                }
            }
        })
        .await
    }
}

async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}
