//! Bytes to a server, and what came back: for requests that no client library would send.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::soon;

/// Sends these bytes and reads until the server closes. A request should ask for that:
/// `Connection: close`.
pub(crate) async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let mut answer = Vec::new();
    let talk = async {
        // A server that refuses the head may close before it has read everything.
        drop(stream.write_all(bytes.as_ref()).await);
        drop(stream.read_to_end(&mut answer).await);
    };
    soon("the end of a connection", talk).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends these bytes and reads the head of the answer, whatever follows it.
pub(crate) async fn head(address: SocketAddr, bytes: impl AsRef<[u8]>) -> String {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let mut answer = Vec::new();
    let talk = async {
        let sent = stream.write_all(bytes.as_ref()).await;
        sent.expect("it reads what is sent");
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.expect("a head ends"));
        }
    };
    soon("the end of a head", talk).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// The status of an answer; 0 where there was none.
pub(crate) fn status(answer: &str) -> u16 {
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    status.and_then(|status| status.parse().ok()).unwrap_or(0)
}
