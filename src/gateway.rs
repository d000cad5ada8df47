//! The composition root: what is started, in which order, and how it is stopped.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;

use crate::admin::readiness::Readiness;
use crate::admin::{self, AdminState};
use crate::audit::Audit;
use crate::clock::Clock;
use crate::config::{Config, StoreConfig};
use crate::entropy::Entropy;
use crate::proxy::{ListenError, Listening, Proxy, TlsKeys};
use crate::store::memory::MemoryStore;
use crate::store::redis::{OpenError, RedisStore};
use crate::store::{Store, StoreError};
use crate::sweeper::Sweeper;
use crate::telemetry::Telemetry;
use crate::telemetry::access_log::AccessLog;
use crate::telemetry::events::{PolicyEvent, event_feed};
use crate::telemetry::metrics::Metrics;

/// How often the gateway looks at its store's health and counts what is alive.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A client's listener.
    #[error("{0}")]
    Listen(#[from] ListenError),
    /// The admin listener.
    #[error("cannot listen on the admin address {0}: {1}")]
    Admin(SocketAddr, io::Error),
    /// The store's URL or certificate authority.
    #[error("the store cannot be opened: {0}")]
    Store(#[from] OpenError),
    /// The audit's or the access log's file.
    #[error("records cannot be written: {0}")]
    Records(io::Error),
}

/// A gateway that runs.
pub struct Gateway {
    addresses: Vec<SocketAddr>,
    admin_address: Option<SocketAddr>,
    proxy: Arc<Proxy>,
    store: Arc<Store>,
    clock: Clock,
    config: watch::Sender<Arc<Config>>,
    telemetry: Arc<Telemetry>,
    readiness: Arc<Readiness>,
    certificates: Vec<TlsKeys>,
    reopen: Arc<Notify>,
    nudge: Arc<Notify>,
    look_at_all: Arc<AtomicBool>,
    /// Stops accepting clients.
    drain: CancellationToken,
    /// Stops what serves the clients: sweeper, streams' watch, admin.
    stop: CancellationToken,
    /// Stops the store's own worker, once nobody else writes.
    release: CancellationToken,
    /// Stops the audit, last of all.
    close: CancellationToken,
    workers: Vec<JoinHandle<()>>,
    keeper: JoinHandle<()>,
    audit: JoinHandle<()>,
}

impl Gateway {
    /// Starts everything a configuration asks for. Returns when clients can connect.
    ///
    /// # Errors
    /// When an address, a certificate, a file or the store's URL cannot be used. A store that
    /// does not answer within its deadline is no error: the gateway starts, and says that it is
    /// not ready.
    pub async fn start(config: Config, clock: Clock, entropy: Entropy) -> Result<Self, StartError> {
        let config = Arc::new(config);
        let metrics = Arc::new(Metrics::new());
        let access = AccessLog::start(&config.records.access, &metrics);
        let access = access.map_err(StartError::Records)?;
        let (events, refusals) = event_feed(&metrics);
        let telemetry = Arc::new(Telemetry {
            metrics: Arc::clone(&metrics),
            access,
            events,
        });
        metrics.policy_loaded(clock.now());
        count_panics(&metrics);

        let store = Arc::new(open_store(&config.store, &clock)?);
        let reopen = Arc::new(Notify::new());
        let sink = &config.records.audit;
        let audit = Audit::open(
            sink,
            Arc::clone(&store),
            refusals,
            Arc::clone(&metrics),
            Arc::clone(&reopen),
        )
        .map_err(StartError::Records)?;

        let mut listening = Vec::with_capacity(config.listeners.len());
        for listener in &config.listeners {
            listening.push(Listening::bind(listener).await?);
        }
        let admin_socket = match &config.admin {
            None => None,
            Some(admin) => {
                let socket = TcpListener::bind(admin.address).await;
                Some(socket.map_err(|error| StartError::Admin(admin.address, error))?)
            }
        };

        let (current, _) = watch::channel(Arc::clone(&config));
        let proxy = Arc::new(Proxy::new(
            Arc::clone(&config),
            Arc::clone(&store),
            clock.clone(),
            entropy,
            Arc::clone(&telemetry),
        ));
        let [drain, stop, release, close] = [(); 4].map(|()| CancellationToken::new());
        let mut gateway = Self {
            addresses: listening.iter().map(Listening::address).collect(),
            admin_address: admin_socket
                .as_ref()
                .and_then(|socket| socket.local_addr().ok()),
            certificates: listening.iter().filter_map(Listening::keys).collect(),
            readiness: Arc::default(),
            nudge: Arc::new(Notify::new()),
            look_at_all: Arc::default(),
            workers: Vec::new(),
            keeper: tokio::spawn({
                let (store, release) = (Arc::clone(&store), release.clone());
                async move { store.run(release).await }
            }),
            audit: tokio::spawn(audit.run(close.clone())),
            config: current,
            proxy,
            store,
            clock,
            telemetry,
            reopen,
            drain,
            stop,
            release,
            close,
        };
        gateway.meet_store().await;
        gateway.spawn_workers(&config, admin_socket);
        for listener in listening {
            let serve = listener.serve(Arc::clone(&gateway.proxy), gateway.drain.clone());
            gateway.workers.push(tokio::spawn(serve));
        }
        gateway.readiness.started();
        Ok(gateway)
    }

    /// Asks the store for the first time, within its deadline: a login must not be told of an
    /// outage because nobody has connected yet, nor a load balancer that all is well.
    async fn meet_store(&self) {
        if self.store.alive().await.is_err() {
            self.readiness.store_lost();
        }
    }

    fn spawn_workers(&mut self, config: &Arc<Config>, admin: Option<TcpListener>) {
        let sweeper = Sweeper {
            store: Arc::clone(&self.store),
            clock: self.clock.clone(),
            config: self.config.subscribe(),
            telemetry: Arc::clone(&self.telemetry),
            nudge: Arc::clone(&self.nudge),
            look_at_all: Arc::clone(&self.look_at_all),
        };
        self.workers
            .push(tokio::spawn(sweeper.run(self.stop.clone())));
        let watch = Arc::clone(&self.proxy).watch_streams(self.stop.clone());
        self.workers.push(tokio::spawn(watch));
        let tell = Arc::clone(&self.proxy).tell_of_work(self.stop.clone());
        self.workers.push(tokio::spawn(tell));
        let watch = Arc::clone(&self.proxy).watch_adoptions(self.stop.clone());
        self.workers.push(tokio::spawn(watch));
        self.workers.push(tokio::spawn(look_after(
            Arc::clone(&self.store),
            Arc::clone(&self.telemetry.metrics),
            Arc::clone(&self.readiness),
            self.stop.clone(),
        )));
        if let (Some(socket), Some(admin)) = (admin, &config.admin) {
            let state = AdminState {
                store: Arc::clone(&self.store),
                clock: self.clock.clone(),
                metrics: Arc::clone(&self.telemetry.metrics),
                token: admin.token.clone(),
                readiness: Arc::clone(&self.readiness),
                config: self.config.subscribe(),
                revoked: Arc::clone(&self.nudge),
            };
            self.workers
                .push(tokio::spawn(admin::serve(socket, state, self.stop.clone())));
        }
    }

    /// Where clients connect, in the order of the configuration.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where operators connect.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Puts another configuration in force, from the next request on. Addresses, the store and
    /// the records' files stay as they were started.
    pub fn reload(&self, config: Config) {
        let config = Arc::new(config);
        let before = self.config.borrow().clone();
        self.proxy.reload(Arc::clone(&config));
        self.config.send_replace(Arc::clone(&config));
        if let Some(edit) = PolicyEvent::of(&before, &config, self.clock.now()) {
            self.telemetry.events.policy_changed(edit);
        }
        self.telemetry.metrics.policy_reloaded(self.clock.now());
        // A tighter limit may have made sessions due earlier than the sweeper would look.
        self.look_at_all.store(true, Ordering::Release);
        self.nudge.notify_waiters();
    }

    /// A configuration was refused; the one in force stays.
    pub fn reload_refused(&self) {
        self.telemetry.metrics.policy_refused();
    }

    /// Opens the files of records anew, and reads certificates anew.
    pub fn reopen(&self) {
        self.telemetry.access.reopen();
        self.reopen.notify_one();
        for keys in &self.certificates {
            if let Err(error) = keys.reload() {
                tracing::error!(%error, "the certificate in use stays");
            }
        }
    }

    /// Makes the sweeper look now.
    pub fn sweep_now(&self) {
        self.nudge.notify_waiters();
    }

    /// Stops: accepts nobody, lets requests under way finish for at most `wait`, writes the last
    /// records.
    pub async fn stop(self, wait: Duration) {
        self.readiness.draining();
        self.drain.cancel();
        self.proxy.drain(wait).await;
        self.stop.cancel();
        for worker in self.workers {
            told_if_bad(worker.await);
        }
        self.release.cancel();
        told_if_bad(self.keeper.await);
        self.close.cancel();
        told_if_bad(self.audit.await);
        self.telemetry.access.flush().await;
    }
}

fn told_if_bad(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a part of the gateway ended badly");
    }
}

/// Counts panics besides telling them: each ends one connection or one worker, and none of them
/// is expected.
fn count_panics(metrics: &Arc<Metrics>) {
    let told = std::panic::take_hook();
    let metrics = Arc::clone(metrics);
    std::panic::set_hook(Box::new(move |panic| {
        metrics.panicked();
        told(panic);
    }));
}

fn open_store(config: &StoreConfig, clock: &Clock) -> Result<Store, OpenError> {
    Ok(match config {
        StoreConfig::Memory { sessions_max } => Store::Memory(MemoryStore::new(*sessions_max)),
        StoreConfig::Redis(redis) => {
            Store::Redis(Box::new(RedisStore::open(redis, clock.clone())?))
        }
    })
}

/// Tells metrics and readiness, each second, how the store is and how many sessions are alive.
async fn look_after(
    store: Arc<Store>,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    stop: CancellationToken,
) {
    let mut was_up = true;
    let mut dropped = 0;
    loop {
        let dropped_now = store.events_dropped();
        metrics.audit_events_dropped().inc_by(dropped_now - dropped);
        dropped = dropped_now;
        let alive: Result<u64, StoreError> = store.alive().await;
        match &alive {
            Ok(alive) => {
                metrics.sessions_alive(*alive);
                metrics.store_reached();
                readiness.store_usable();
            }
            Err(_) => {
                metrics.store_lost();
                readiness.store_lost();
            }
        }
        match (was_up, &alive) {
            (true, Err(error)) => {
                tracing::error!(%error, "the store is lost: requests with a session are answered 503")
            }
            (false, Ok(_)) => tracing::info!("the store is back"),
            _ => {}
        }
        was_up = alive.is_ok();
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = stop.cancelled() => return,
        }
    }
}
