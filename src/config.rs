//! The configuration: read raw, checked once, and from then on valid by construction.
//!
//! Nothing past the check ever sees a string that means something.

pub mod app;
pub mod carrier;
mod check;
pub mod compliance;
pub mod defaults;
pub mod device;
pub mod diff;
pub mod fault;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzz;
pub mod lines;
pub mod load;
pub mod passive;
mod raw;
mod reader;
pub mod schema;
mod spelled;
mod suggest;
pub mod surroundings;
pub mod table;
pub mod token;
mod value;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::domain::identity::Keyring;
use crate::domain::policy::Policy;
use crate::domain::rehearse::{AppBounds, MONITOR_ABSOLUTE, Mode};
use crate::domain::time::Timestamp;

use app::App;
use compliance::Compliance;
use device::Devices;
use lines::RuleLines;

/// A configuration without a fault.
#[derive(Debug)]
pub struct Config {
    /// Where clients connect; at least one.
    pub listeners: Vec<Listener>,
    /// The listener for operators, where there is one.
    pub admin: Option<Admin>,
    /// Where sessions are kept.
    pub store: StoreConfig,
    /// The keys under which ids are known.
    pub keys: Arc<Keyring>,
    /// Roles, limits, the ceiling.
    pub policy: Policy,
    /// By what the policy's device classes are known.
    pub devices: Devices,
    /// The line on which each rule of the policy stands.
    pub lines: RuleLines,
    /// How many sessions without a login are recorded.
    pub anonymous: Caps,
    /// The apps; at least one.
    pub apps: Vec<Arc<App>>,
    /// The standards that the policy is to meet.
    pub compliance: Compliance,
    /// What is written down, and where to.
    pub records: Records,
    /// How long the gateway waits, and for what.
    pub waits: Waits,
}

/// Tombstones live at least this long: app servers keep idle sessions for hours.
const TOMBSTONE_LIFE_MIN: Duration = Duration::from_secs(24 * 60 * 60);

impl Config {
    /// The app of this name.
    pub fn app(&self, name: &str) -> Option<&Arc<App>> {
        self.apps.iter().find(|app| *app.name == *name)
    }

    /// The limits of the app of this name; none where it has left the configuration.
    pub fn bounds_of(&self, app: &str) -> AppBounds {
        self.app(app).map_or(AppBounds::default(), |app| app.bounds)
    }

    /// Whether any limit is only watched.
    pub fn watches(&self) -> bool {
        let mut modes = self.apps.iter().map(|app| app.bounds.mode);
        let mut of_roles = self.policy.roles.iter().map(|role| role.mode);
        modes.any(|mode| mode == Mode::Monitor) || of_roles.any(|mode| mode == Mode::Monitor)
    }

    /// How long a record is of interest: while its session may live, and then as a tombstone for
    /// as long as the app could still honour the id.
    pub fn retention(&self, authenticated: bool) -> Duration {
        if authenticated {
            let watched = self.watches().then_some(MONITOR_ABSOLUTE);
            let life = self.policy.absolute_max().max(watched.unwrap_or_default());
            life + life.max(TOMBSTONE_LIFE_MIN)
        } else {
            self.policy.anonymous_absolute
        }
    }

    /// When a record that is written now may be forgotten. An authenticated one not before the
    /// last adoption is over: its dead id would be adopted as if nobody had ever seen it.
    pub fn forget_at(&self, authenticated: bool, now: Timestamp) -> Timestamp {
        let of_no_interest = now.plus(self.retention(authenticated));
        let adoptions = self.apps.iter().filter_map(|app| app.adopt_until);
        match adoptions.max() {
            Some(over) if authenticated => of_no_interest.max(over),
            _ => of_no_interest,
        }
    }
}

/// One address that clients connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// The address.
    pub address: SocketAddr,
    /// The certificate, where it speaks TLS.
    pub tls: Option<TlsFiles>,
    /// Peers whose X-Forwarded-* and Forwarded are believed.
    pub trusted: Vec<IpNet>,
}

/// A certificate and its key, as PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the listener's own certificate first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The listener for operators.
#[derive(Clone)]
pub struct Admin {
    /// The address.
    pub address: SocketAddr,
    /// The bearer token of `/v1`; without one, `/v1` is closed.
    pub token: Option<Secret>,
}

impl std::fmt::Debug for Admin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Admin({})", self.address)
    }
}

/// A value that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret in.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// Where sessions are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreConfig {
    /// In this process.
    Memory {
        /// Records that are held at most, tombstones included.
        sessions_max: usize,
    },
    /// In Redis.
    Redis(RedisConfig),
}

/// A Redis server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// `redis://` or `rediss://`, with user, password and database. A secret: it may hold one.
    pub url: Secret,
    /// A private certificate authority, as a PEM file.
    pub ca: Option<PathBuf>,
    /// How long one operation may take.
    pub deadline: Duration,
}

/// How many ids are recorded that no login vouches for; above a cap an id is not recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// By one gateway, within a span: for anonymous ones the anonymous absolute timeout.
    pub total: usize,
    /// Of one client address, within the same span.
    pub per_client: usize,
}

/// What is written down, and where to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records {
    /// Audit events.
    pub audit: Sink,
    /// The access log.
    pub access: Sink,
}

/// Where lines go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Appended to a file, reopened on SIGHUP.
    File(PathBuf),
}

/// How long the gateway waits, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// For a client's request head, from the first byte or from the end of the request before;
    /// also for the body of a login.
    pub head: Duration,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// For an upstream to accept a connection.
    pub connect: Duration,
    /// For the head of an upstream's answer.
    pub answer: Duration,
    /// For a body that stands still; for the whole of one that is short, or that is held.
    pub body: Duration,
    /// For requests under way when the gateway stops.
    pub drain: Duration,
}
