//! `curfew demo`: watch a session end within a minute.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::fault::Faults;
use crate::config::load;
use crate::demo::{app, policy};
use crate::entropy::Entropy;
use crate::gateway::{Gateway, StartError};
use crate::telemetry::log;

use super::{failed, serve};

/// Where the demo listens.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Where the browser goes: the gateway
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Where metrics and revocations are
    #[arg(long, default_value = "127.0.0.1:9900")]
    admin: SocketAddr,
    /// Where the app itself listens, without the gateway
    #[arg(long, default_value = "127.0.0.1:8081")]
    app: SocketAddr,
}

#[derive(Debug, thiserror::Error)]
enum DemoError {
    #[error("the app cannot listen on {0}: {1}; choose another address with --app")]
    App(SocketAddr, std::io::Error),
    #[error("{0}; choose other addresses with --listen and --admin")]
    Gateway(#[from] StartError),
    #[error("the demo's own policy is at fault: {0}")]
    Policy(Faults),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// Runs the demo until Ctrl-C.
pub(super) fn demo(args: &DemoArgs) -> ExitCode {
    if let Err(error) = log::init() {
        return failed(&error);
    }
    let ran = serve::runtime()
        .map_err(DemoError::Io)
        .and_then(|runtime| runtime.block_on(run(args)));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

async fn run(args: &DemoArgs) -> Result<(), DemoError> {
    // Before anybody is told of Ctrl-C.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = CancellationToken::new();
    let socket = TcpListener::bind(args.app)
        .await
        .map_err(|error| DemoError::App(args.app, error))?;
    let app_address = socket.local_addr()?;
    let text = policy::text(args.listen, args.admin, app_address);
    let config = load::parse_alone(&text, "demo")
        .map_err(DemoError::Policy)?
        .config;
    let gateway = Gateway::start(config, Clock::system(), Entropy::system()).await?;
    let app = tokio::spawn(app::serve(socket, stop.clone()));
    let listen = gateway.addresses().first().copied().unwrap_or(args.listen);
    let admin = gateway.admin_address().unwrap_or(args.admin);
    anstream::println!("{}", policy::welcome(listen, admin, app_address));
    interrupt.recv().await;
    gateway.stop(std::time::Duration::from_secs(1)).await;
    stop.cancel();
    if let Err(error) = app.await {
        tracing::error!(%error, "the demo's app ended badly");
    }
    Ok(())
}
