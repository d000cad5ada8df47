//! The raw form: the file, field for field. Its doc comments are what editors show.
//!
//! Fields are private to the configuration: nothing past the check sees one.

pub(crate) mod app;
pub(crate) mod device;
pub(crate) mod passive;
pub(crate) mod refusal;
pub(crate) mod standard;
pub(crate) mod token;

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::domain::seats::WhenFull;

use super::defaults;
use super::fault::At;
use super::reader::{FromTable, TableReader};
use super::value::{DurationText, OnOutage, Word};
use crate::domain::rehearse::Mode;

use app::RawApp;
use device::{RawDevice, RawRoleDevice};
use standard::RawStandard;

/// The policy of a Curfew gateway.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields, title = "curfew.toml")]
pub(crate) struct RawConfig {
    /// Where clients connect. At least one.
    #[schemars(length(min = 1))]
    pub(crate) listeners: Vec<At<RawListener>>,
    /// The listener for operators: metrics, health, revocation. Without this table there is none.
    pub(crate) admin: Option<At<RawAdmin>>,
    /// Where sessions are kept.
    pub(crate) store: Option<At<RawStore>>,
    /// Limits that no session of any app or role may exceed.
    pub(crate) ceiling: Option<At<RawCeiling>>,
    /// Sessions without a login: an app issues ids before it, and the login needs them.
    pub(crate) anonymous: Option<At<RawAnonymous>>,
    /// Who may stay how long, `[roles.NAME]`. At least one. A user of several roles gets the
    /// smallest of each limit; a user of none gets the smallest of all roles.
    #[schemars(with = "BTreeMap<String, RawRole>")]
    pub(crate) roles: Vec<(At<String>, At<RawRole>)>,
    /// Classes of devices, `[devices.NAME]`, in the order in which they are tried. A device that
    /// none matches is of the class `other`.
    #[schemars(with = "Option<BTreeMap<String, RawDevice>>")]
    pub(crate) devices: Vec<(At<String>, At<RawDevice>)>,
    /// Standards that `curfew check` proves the policy against.
    #[schemars(default)]
    pub(crate) standards: Vec<At<RawStandard>>,
    /// What is written down, and where to.
    pub(crate) records: Option<At<RawRecords>>,
    /// How long the gateway waits, and for what.
    pub(crate) waits: Option<At<RawWaits>>,
    /// The applications behind the gateway. At least one.
    #[schemars(length(min = 1))]
    pub(crate) apps: Vec<At<RawApp>>,
}

impl FromTable for RawConfig {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        table.needs("listeners", r#"[[listeners]] and address = "0.0.0.0:8080""#);
        table.needs("roles", r#"[roles.NAME], idle = "15m" and absolute = "8h""#);
        table.needs("apps", "[[apps]], its name, upstreams and [apps.session]");
        Self {
            listeners: table.tables("listeners"),
            admin: table.table("admin"),
            store: table.table("store"),
            ceiling: table.table("ceiling"),
            anonymous: table.table("anonymous"),
            roles: table.named_tables("roles"),
            devices: table.named_tables("devices"),
            standards: table.tables("standards"),
            records: table.table("records"),
            waits: table.table("waits"),
            apps: table.tables("apps"),
        }
    }
}

/// One address that clients connect to.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawListener {
    /// The address and port, such as `0.0.0.0:8443` or `[::]:8443`.
    #[schemars(required)]
    pub(crate) address: Option<At<String>>,
    /// The certificate. Without one the listener speaks plain HTTP.
    pub(crate) tls: Option<At<RawTls>>,
    /// Networks of proxies in front of the gateway, such as `10.0.0.0/8`: their X-Forwarded-For,
    /// -Proto, -Host and Forwarded are believed. Default: none.
    pub(crate) trusted_proxies: Option<At<Vec<At<String>>>>,
}

impl FromTable for RawListener {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        table.needs("address", r#"address = "0.0.0.0:8080""#);
        Self {
            address: table.value("address"),
            tls: table.table("tls"),
            trusted_proxies: table.list("trusted_proxies"),
        }
    }
}

/// A certificate and its key. Relative paths start at the configuration file.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawTls {
    /// A PEM file: the listener's certificate, then those that issued it.
    #[schemars(required)]
    pub(crate) certificate: Option<At<String>>,
    /// A PEM file: the private key.
    #[schemars(required)]
    pub(crate) key: Option<At<String>>,
}

impl FromTable for RawTls {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        table.needs("certificate", r#"certificate = "tls/fullchain.pem""#);
        table.needs("key", r#"key = "tls/key.pem""#);
        Self {
            certificate: table.value("certificate"),
            key: table.value("key"),
        }
    }
}

/// The listener for operators.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawAdmin {
    /// The address and port.
    #[schemars(extend("default" = defaults::ADMIN_ADDRESS))]
    pub(crate) address: Option<At<String>>,
    /// A file with the bearer token of `/v1`, 16 bytes or more. Without a token `/v1` is closed.
    pub(crate) token_file: Option<At<String>>,
    /// `env:NAME`: the token is in this environment variable.
    #[schemars(extend("pattern" = "^env:."))]
    pub(crate) token: Option<At<String>>,
}

impl FromTable for RawAdmin {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            address: table.value("address"),
            token_file: table.value("token_file"),
            token: table.value("token"),
        }
    }
}

/// Where sessions are kept.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawStore {
    /// `memory:` for this process alone, or `redis://[USER@]HOST[:PORT][/DATABASE]`;
    /// `rediss://` speaks TLS.
    #[schemars(extend("default" = defaults::STORE_URL))]
    pub(crate) url: Option<At<String>>,
    /// A file with the password of Redis.
    pub(crate) password_file: Option<At<String>>,
    /// A PEM file with the certificate authority of `rediss://`, where the system does not know it.
    pub(crate) ca_file: Option<At<String>>,
    /// How long one operation on Redis may take.
    #[schemars(extend("default" = duration(defaults::STORE_DEADLINE)))]
    pub(crate) deadline: Option<At<DurationText>>,
    /// Records that `memory:` holds at most. Full, it refuses new sessions and forgets none.
    #[schemars(extend("default" = defaults::STORE_SESSIONS_MAX))]
    pub(crate) sessions_max: Option<At<u64>>,
    /// A file with the keys under which ids are known: one a line, 32 bytes or more (64 digits in
    /// hexadecimal). The first writes, all read. The same on every gateway; needed with Redis.
    pub(crate) keys_file: Option<At<String>>,
    /// `env:NAME`: the keys are in this environment variable, one a line.
    #[schemars(extend("pattern" = "^env:."))]
    pub(crate) keys: Option<At<String>>,
    /// What becomes of requests that need a session while the store is down: `deny` answers 503.
    #[schemars(extend("default" = "deny"))]
    #[expect(
        dead_code,
        reason = "the one word so far changes nothing; others must be refused"
    )]
    pub(crate) on_outage: Option<At<Word<OnOutage>>>,
}

impl FromTable for RawStore {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            url: table.value("url"),
            password_file: table.value("password_file"),
            ca_file: table.value("ca_file"),
            deadline: table.value("deadline"),
            sessions_max: table.value("sessions_max"),
            keys_file: table.value("keys_file"),
            keys: table.value("keys"),
            on_outage: table.value("on_outage"),
        }
    }
}

/// Limits that no session may exceed.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawCeiling {
    /// The longest idle timeout. Default: none.
    pub(crate) idle: Option<At<DurationText>>,
    /// The longest absolute timeout. Default: none.
    pub(crate) absolute: Option<At<DurationText>>,
    /// How many sessions a user may have at a time. Default: as many as he likes.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) max_sessions: Option<At<u64>>,
    /// What a login means that is one too many: `displace` ends the session that was used least
    /// recently, `refuse` refuses the login.
    #[schemars(extend("default" = "displace"))]
    pub(crate) on_max_sessions: Option<At<Word<WhenFull>>>,
}

impl FromTable for RawCeiling {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            idle: table.value("idle"),
            absolute: table.value("absolute"),
            max_sessions: table.value("max_sessions"),
            on_max_sessions: table.value("on_max_sessions"),
        }
    }
}

/// Sessions without a login.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawAnonymous {
    /// The idle timeout.
    #[schemars(extend("default" = duration(defaults::ANONYMOUS_IDLE)))]
    pub(crate) idle: Option<At<DurationText>>,
    /// The absolute timeout.
    #[schemars(extend("default" = duration(defaults::ANONYMOUS_ABSOLUTE)))]
    pub(crate) absolute: Option<At<DurationText>>,
    /// How many one gateway records within the absolute timeout. Above it an id is not recorded,
    /// and a login that needs one fails.
    #[schemars(extend("default" = defaults::ANONYMOUS_SESSIONS_MAX))]
    pub(crate) sessions_max: Option<At<u64>>,
    /// The same for one client address.
    #[schemars(extend("default" = defaults::ANONYMOUS_SESSIONS_PER_CLIENT_MAX))]
    pub(crate) sessions_per_client_max: Option<At<u64>>,
}

impl FromTable for RawAnonymous {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            idle: table.value("idle"),
            absolute: table.value("absolute"),
            sessions_max: table.value("sessions_max"),
            sessions_per_client_max: table.value("sessions_per_client_max"),
        }
    }
}

/// A role: its limits, and who holds it.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["extends"] }, { "required": ["idle", "absolute"] }]))]
pub(crate) struct RawRole {
    /// Another role, whose limits it has where it sets none itself. Not its users.
    pub(crate) extends: Option<At<String>>,
    /// How long a session lasts without activity. Needed without `extends`.
    pub(crate) idle: Option<At<DurationText>>,
    /// How long a session lasts since its login. Needed without `extends`.
    pub(crate) absolute: Option<At<DurationText>>,
    /// How long what a login told of it counts: a session that holds it ends then as
    /// `role_changed`, and its user logs in again. Default: as long as the session.
    pub(crate) max_role_age: Option<At<DurationText>>,
    /// How many sessions a holder may have at a time. Default: as many as he likes.
    #[schemars(range(min = 1, max = 100))]
    pub(crate) max_sessions: Option<At<u64>>,
    /// What a login means that is one too many: `displace` ends the session that was used least
    /// recently, `refuse` refuses the login.
    #[schemars(extend("default" = "displace"))]
    pub(crate) on_max_sessions: Option<At<Word<WhenFull>>>,
    /// Whether its limits end sessions: with `monitor` they are watched, and what they would have
    /// ended is recorded and goes on. Not inherited.
    #[schemars(extend("default" = "enforce"))]
    pub(crate) mode: Option<At<Word<Mode>>>,
    /// Users that hold it, as the application names them.
    pub(crate) users: Option<At<Vec<At<String>>>>,
    /// Groups whose members hold it, as a login's `groups` finds them.
    pub(crate) groups: Option<At<Vec<At<String>>>>,
    /// Limits in place of its own, on devices of a class: `[roles.NAME.devices.NAME]`.
    #[schemars(with = "Option<BTreeMap<String, RawRoleDevice>>")]
    pub(crate) devices: Vec<(At<String>, At<RawRoleDevice>)>,
    /// Whether its holders administer: some standards have shorter limits for them. With
    /// `extends`, as the other role.
    #[schemars(extend("default" = false))]
    pub(crate) privileged: Option<At<bool>>,
}

impl FromTable for RawRole {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        if !table.has("extends") {
            table.needs("idle", r#"idle = "15m""#);
            table.needs("absolute", r#"absolute = "8h""#);
        }
        Self {
            extends: table.value("extends"),
            idle: table.value("idle"),
            absolute: table.value("absolute"),
            max_role_age: table.value("max_role_age"),
            max_sessions: table.value("max_sessions"),
            on_max_sessions: table.value("on_max_sessions"),
            mode: table.value("mode"),
            users: table.list("users"),
            groups: table.list("groups"),
            devices: table.named_tables("devices"),
            privileged: table.value("privileged"),
        }
    }
}

/// What is written down: `stdout`, `off`, or the path of a file that lines are appended to.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawRecords {
    /// One JSON line for each login, end and refusal of a dead id.
    #[schemars(extend("default" = defaults::AUDIT))]
    pub(crate) audit: Option<At<String>>,
    /// One JSON line for each request.
    #[schemars(extend("default" = defaults::ACCESS_LOG))]
    pub(crate) access_log: Option<At<String>>,
}

impl FromTable for RawRecords {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            audit: table.value("audit"),
            access_log: table.value("access_log"),
        }
    }
}

/// How long the gateway waits, and for what.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawWaits {
    /// For a client's request head and the body of a login; also how long an idle connection is kept.
    #[schemars(extend("default" = duration(defaults::WAIT_HEAD)))]
    pub(crate) head: Option<At<DurationText>>,
    /// For a TLS handshake.
    #[schemars(extend("default" = duration(defaults::WAIT_HANDSHAKE)))]
    pub(crate) handshake: Option<At<DurationText>>,
    /// For an upstream to accept a connection.
    #[schemars(extend("default" = duration(defaults::WAIT_CONNECT)))]
    pub(crate) connect: Option<At<DurationText>>,
    /// For the head of an upstream's answer, once the request has passed whole.
    #[schemars(extend("default" = duration(defaults::WAIT_ANSWER)))]
    pub(crate) answer: Option<At<DurationText>>,
    /// For a client that does not go on reading; for the whole of a body up to 64 KiB, and of a
    /// login's and its answer's.
    #[schemars(extend("default" = duration(defaults::WAIT_BODY)))]
    pub(crate) body: Option<At<DurationText>>,
    /// For requests under way when the gateway stops.
    #[schemars(extend("default" = duration(defaults::WAIT_DRAIN)))]
    pub(crate) drain: Option<At<DurationText>>,
}

impl FromTable for RawWaits {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            head: table.value("head"),
            handshake: table.value("handshake"),
            connect: table.value("connect"),
            answer: table.value("answer"),
            body: table.value("body"),
            drain: table.value("drain"),
        }
    }
}

/// A default as the file would spell it.
fn duration(default: std::time::Duration) -> String {
    humantime::format_duration(default).to_string()
}
