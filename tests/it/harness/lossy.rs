//! A way to a server on which answers get lost: the request arrives, and then the connection is
//! gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

/// The way; closed with the test's runtime.
pub(crate) struct Lossy {
    port: u16,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    lose: AtomicBool,
    lost: AtomicUsize,
}

impl Lossy {
    /// A way to this port.
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let shared = Arc::new(Shared::default());
        let lossy = Self {
            port,
            shared: Arc::clone(&shared),
        };
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, Arc::clone(&shared)));
            }
        });
        lossy
    }

    /// Where it begins.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Loses the next answer.
    pub(crate) fn lose_next(&self) {
        self.shared.lose.store(true, Ordering::SeqCst);
    }

    /// How many were lost.
    pub(crate) fn lost(&self) -> usize {
        self.shared.lost.load(Ordering::SeqCst)
    }
}

/// Passes bytes on both ways until an answer is lost or one side has gone.
async fn pass(client: TcpStream, server: u16, shared: Arc<Shared>) {
    let server = TcpStream::connect(("127.0.0.1", server)).await;
    let (mut requests, mut client) = client.into_split();
    let (mut answers, mut server) = server.expect("the server listens").into_split();
    let asking = copy(&mut requests, &mut server);
    let answering = async {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = answers.read(&mut buffer).await {
            if shared.lose.swap(false, Ordering::SeqCst) {
                shared.lost.fetch_add(1, Ordering::SeqCst);
                return;
            }
            if client.write_all(&buffer[..read]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        _ = asking => {}
        () = answering => {}
    }
}
