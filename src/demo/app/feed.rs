//! The price ticker: one text frame a second on each open WebSocket.
//!
//! A socket is checked for a login when it opens and never again, as such applications do.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::market::Prices;
use super::websocket::{self, Broken, CloseCode, Incoming};

/// How long a client may take to accept one frame before it is given up.
const WRITE_WAIT: Duration = Duration::from_secs(2);

type Socket = TokioIo<Upgraded>;

/// Serves one socket from its handshake to its end.
pub(super) async fn serve(
    upgrade: OnUpgrade,
    prices: watch::Receiver<Prices>,
    stop: CancellationToken,
    _permit: OwnedSemaphorePermit,
) {
    if let Some(Ok(upgraded)) = stop.run_until_cancelled(upgrade).await {
        let (reader, mut writer) = split(TokioIo::new(upgraded));
        let code = talk(reader, &mut writer, prices, &stop).await;
        if let Some(code) = code {
            send(&mut writer, websocket::close(code)).await;
        }
    }
}

/// Sends prices until the end, and says with which code to close; `None` if nobody listens.
async fn talk(
    reader: ReadHalf<Socket>,
    writer: &mut WriteHalf<Socket>,
    mut prices: watch::Receiver<Prices>,
    stop: &CancellationToken,
) -> Option<CloseCode> {
    // Reading a frame must not be cancelled half-way, so each read is one future kept over rounds.
    let mut incoming = pin!(next(reader));
    loop {
        tokio::select! {
            () = stop.cancelled() => return Some(CloseCode::GoingAway),
            changed = prices.changed() => {
                let Ok(()) = changed else { return Some(CloseCode::GoingAway) };
                let text = Arc::clone(&prices.borrow_and_update());
                send(writer, websocket::text(&text)).await?;
            }
            (came, reader) = &mut incoming => {
                match came {
                    Ok(Incoming::Ping(payload)) => send(writer, websocket::pong(&payload)).await?,
                    Ok(Incoming::Other) => {}
                    Ok(Incoming::Close) => return Some(CloseCode::Normal),
                    Err(Broken::Fault(code)) => return Some(code),
                    Err(Broken::Gone) => return None,
                }
                incoming.set(next(reader));
            }
        }
    }
}

async fn next(mut reader: ReadHalf<Socket>) -> (Result<Incoming, Broken>, ReadHalf<Socket>) {
    (websocket::read(&mut reader).await, reader)
}

/// `None` if the client no longer takes anything.
async fn send(writer: &mut WriteHalf<Socket>, frame: Vec<u8>) -> Option<()> {
    timeout(WRITE_WAIT, writer.write_all(&frame))
        .await
        .ok()?
        .ok()
}
