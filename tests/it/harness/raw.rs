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

/// The status of an answer; 0 where there was none.
pub(crate) fn status(answer: &str) -> u16 {
    let status = answer
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3));
    status.and_then(|status| status.parse().ok()).unwrap_or(0)
}
