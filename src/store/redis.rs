//! The store in Redis, shared by all gateways of a deployment.
//!
//! Reading is one round trip of plain commands; deciding is Rust's. Each write is one script that
//! carries its own condition, in a file of its own beside this one. `redis::` stays in here.
//!
//! Redis 6.2 or later. What its user needs, as an ACL rule:
//!
//! ```text
//! ~curfew:* &curfew:* +evalsha +script|load +hmget +hget +hgetall +hset +hsetnx +hdel +hlen
//! +exists +del +pexpire +pttl +incr +publish +zadd +zrem +zscore +zcard +zcount +zrangebyscore +xadd
//! +xlen +xgroup|create +xreadgroup +xautoclaim +xack +xdel +set +time +info
//! ```

mod codec;
mod due;
mod fault;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
mod gather;
mod keys;
mod lineage;
mod link;
mod memo;
mod outbox;
mod read;
mod rewrite;
mod script;
mod seats;
mod time;
mod touches;
mod write;

use std::path::PathBuf;
use std::time::Duration;

use arc_swap::ArcSwap;
use redis::io::tcp::TcpSettings;
use redis::io::tcp::socket2::TcpKeepalive;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, Pipeline, ProtocolVersion,
    TlsCertificates,
};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::clock::{Clock, monotonic};
use crate::config::RedisConfig;
use crate::domain::cuts::Cuts;

use super::Health;
use gather::Gathering;
use link::Link;
use memo::Memo;
use outbox::Outbox;
use script::Scripts;
use time::Sampler;
use touches::Touches;

/// How long what the heartbeat writes is kept.
const BEAT_KEPT: Duration = Duration::from_secs(10);

/// How often deferred touches are looked through.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// A peer that is silent is asked whether it is there.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(15);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(5);
const KEEPALIVE_TIMES: u32 = 3;

/// A peer that does not acknowledge what was sent is gone.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(5);

/// How much longer than asked for Redis keeps records: its expiry only collects garbage, and
/// gateways that were all away for a day still tell the ends of what was alive before.
const KEPT_LONGER: Duration = Duration::from_secs(24 * 3600);

/// Why a configured Redis cannot be used. None of the texts holds the URL.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is none of Redis.
    #[error("the store's URL is not redis:// or rediss:// with a host, a port and a database")]
    Url,
    /// A certificate authority for a connection without TLS.
    #[error("a certificate authority is of use with rediss:// only")]
    CaWithoutTls,
    /// The file of the certificate authority cannot be read.
    #[error("the certificate authority in {path} cannot be read: {source}")]
    CaUnreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It holds no certificate.
    #[error("there is no certificate in {}", .0.display())]
    CaEmpty(PathBuf),
}

/// Sessions, tombstones, cuts and the outbox, in Redis.
pub struct RedisStore {
    link: Link,
    scripts: Scripts,
    clock: Clock,
    touches: Touches,
    memo: Memo,
    /// The table of cuts as it was last read.
    cuts: ArcSwap<Cuts>,
    outbox: Outbox,
    look_ups: Gathering,
}

impl RedisStore {
    /// A store that connects when it is first used: Redis may be down.
    pub fn open(config: &RedisConfig, clock: Clock) -> Result<Self, OpenError> {
        Ok(Self {
            link: Link::new(client(config)?, config.deadline, clock.clone()),
            scripts: Scripts::new(),
            clock,
            touches: Touches::new(),
            memo: Memo::new(),
            cuts: ArcSwap::default(),
            outbox: Outbox::default(),
            look_ups: Gathering::default(),
        })
    }

    pub(super) fn health(&self) -> Health {
        self.link.health()
    }

    /// Watches Redis, sets the deployment clock and writes deferred touches, until `shutdown`.
    pub(super) async fn run(&self, shutdown: CancellationToken) {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.beat() => {}
            () = self.flush() => {}
        }
        self.write_touches(Duration::MAX).await;
    }

    async fn beat(&self) {
        let mut sampler = Sampler::new(self.clock.clone());
        let mut clock_well = true;
        loop {
            let mut commands = Pipeline::new();
            let kept = BEAT_KEPT.as_millis() as u64;
            commands
                .cmd("SET")
                .arg(keys::BEAT)
                .arg(1)
                .arg("PX")
                .arg(kept);
            sampler.ask(&mut commands);
            let sent = monotonic();
            if let Ok(mut answers) = self.link.beat(&commands).await {
                let answers = answers.split_off(1);
                let set = sampler
                    .hear(answers, sent, &self.link, &self.scripts.clock)
                    .await;
                if let Err(error) = &set
                    && clock_well
                {
                    tracing::warn!(%error, "the deployment clock cannot be read");
                }
                clock_well = set.is_ok();
            }
            self.link.next_beat().await;
        }
    }

    async fn flush(&self) {
        loop {
            sleep(FLUSH_EVERY).await;
            self.write_touches(monotonic()).await;
        }
    }
}

fn client(config: &RedisConfig) -> Result<Client, OpenError> {
    let info = config
        .url
        .reveal()
        .into_connection_info()
        .map_err(|_| OpenError::Url)?;
    let tls = match info.addr() {
        ConnectionAddr::Tcp(..) => false,
        ConnectionAddr::TcpTls {
            insecure: false, ..
        } => true,
        _ => return Err(OpenError::Url),
    };
    let info = settled(info);
    let root_cert = match &config.ca {
        Some(_) if !tls => return Err(OpenError::CaWithoutTls),
        Some(path) => Some(authority(path)?),
        None => None,
    };
    if !tls {
        return Client::open(info).map_err(|_| OpenError::Url);
    }
    // The client takes the process's default; where there is one already, it stays.
    if CryptoProvider::get_default().is_none() {
        rustls::crypto::aws_lc_rs::default_provider()
            .install_default()
            .ok();
    }
    let certificates = TlsCertificates {
        client_tls: None,
        root_cert,
    };
    Client::build_with_tls(info, certificates).map_err(|_| OpenError::Url)
}

/// The URL's connection, spoken to in RESP2 and watched by the system.
fn settled(info: ConnectionInfo) -> ConnectionInfo {
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_EVERY)
        .with_retries(KEEPALIVE_TIMES);
    let tcp = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(keepalive)
        .set_user_timeout(UNACKNOWLEDGED_MAX);
    let redis = info
        .redis_settings()
        .clone()
        .set_protocol(ProtocolVersion::RESP2)
        .set_skip_set_lib_name();
    info.set_tcp_settings(tcp).set_redis_settings(redis)
}

fn authority(path: &PathBuf) -> Result<Vec<u8>, OpenError> {
    let pem = std::fs::read(path).map_err(|source| OpenError::CaUnreadable {
        path: path.clone(),
        source,
    })?;
    let certificates = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(pem),
        _ => Err(OpenError::CaEmpty(path.clone())),
    }
}

#[cfg(test)]
mod tests;
