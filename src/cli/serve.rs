//! `curfew serve`: the gateway, and what signals mean to it.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::Clock;
use crate::config::Config;
use crate::config::fault::Look;
use crate::config::load::{self, Loaded};
use crate::entropy::Entropy;
use crate::gateway::{Gateway, StartError};
use crate::telemetry::log;

use super::{EXIT_CONFIG, failed};

/// Runs the gateway until it is told to stop.
pub(super) fn serve(file: &Path) -> ExitCode {
    if let Err(error) = log::init() {
        return failed(&error);
    }
    let config = match load::load(file) {
        Ok(loaded) => loaded.config,
        Err(faults) => {
            anstream::eprint!("{}", faults.render(Look::Colour));
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error),
    };
    match runtime.block_on(run(config, file)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// The runtime that everything shares. On a single core one thread does all: two that share a
/// core would only wait for each other.
pub(super) fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut builder = if cores == 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        tokio::runtime::Builder::new_multi_thread()
    };
    builder.enable_all().build()
}

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error("{0}")]
    Start(#[from] StartError),
    #[error("signals cannot be received: {0}")]
    Signals(std::io::Error),
}

async fn run(config: Config, file: &Path) -> Result<(), RunError> {
    let mut signals = Signals::new().map_err(RunError::Signals)?;
    let drain = config.waits.drain;
    let gateway = Gateway::start(config, Clock::system(), Entropy::system()).await?;
    for address in gateway.addresses() {
        tracing::info!(%address, "serving");
    }
    if let Some(address) = gateway.admin_address() {
        tracing::info!(%address, "serving operators");
    }
    while let Told::Reload = signals.next().await {
        reload(&gateway, file).await;
    }
    tracing::info!("stopping: requests under way may finish; a second signal stops at once");
    tokio::select! {
        () = gateway.stop(drain) => {}
        () = signals.stop() => tracing::warn!("stopped at once"),
    }
    Ok(())
}

/// Reads the configuration again. A bad one never replaces a good one.
async fn reload(gateway: &Gateway, file: &Path) {
    gateway.reopen();
    let path = Arc::<Path>::from(file);
    let loaded = tokio::task::spawn_blocking(move || load::load(&path)).await;
    match loaded {
        Ok(Ok(Loaded { config, .. })) => {
            let policy = config.policy.version;
            gateway.reload(config);
            tracing::info!(%policy, "a new configuration is in force");
        }
        Ok(Err(faults)) => {
            gateway.reload_refused();
            tracing::error!(problems = %faults, "the configuration in force stays");
        }
        Err(error) => {
            gateway.reload_refused();
            tracing::error!(%error, "the configuration in force stays");
        }
    }
}

enum Told {
    Reload,
    Stop,
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Told {
        tokio::select! {
            _ = self.hangup.recv() => Told::Reload,
            () = async { tokio::select! { _ = self.terminate.recv() => {}, _ = self.interrupt.recv() => {} } } => Told::Stop,
        }
    }

    async fn stop(&mut self) {
        while matches!(self.next().await, Told::Reload) {}
    }
}
