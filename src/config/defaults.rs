//! What holds where the file says nothing, each with its reason. The JSON Schema shows these
//! values to editors, and tests hold `config/curfew.toml` and `docs/configuration.md` against them.

use std::ops::Range;
use std::time::Duration;

/// Only the machine itself reaches it, and 9900 is not taken by Prometheus' own components.
pub const ADMIN_ADDRESS: &str = "127.0.0.1:9900";

/// A store that needs nothing: sessions live in the process.
pub const STORE_URL: &str = "memory:";

/// A store that does not answer by then is down. A LAN answers within a millisecond, and a refusal
/// must reach the client within 250 ms.
pub const STORE_DEADLINE: Duration = Duration::from_millis(150);

/// A million records take up to 400 MiB.
pub const STORE_SESSIONS_MAX: u64 = 1_000_000;

/// Login forms are left open over a coffee, and their ids must still be alive at the login.
pub const ANONYMOUS_IDLE: Duration = Duration::from_secs(15 * 60);

/// Nobody needs longer from a login form to a login; a record of an anonymous id goes by then.
pub const ANONYMOUS_ABSOLUTE: Duration = Duration::from_secs(2 * 60 * 60);

/// A tenth of what the store holds, so that strangers cannot fill it.
pub const ANONYMOUS_SESSIONS_MAX: u64 = 100_000;

/// A whole office may come from one address, and above this its logins would fail.
pub const ANONYMOUS_SESSIONS_PER_CLIENT_MAX: u64 = 1_000;

/// What container platforms and systemd collect.
pub const AUDIT: &str = "stdout";

/// One line a request is only written where somebody wants to keep it.
pub const ACCESS_LOG: &str = "off";

/// A browser keeps an idle connection about that long; a slow client sends its head within it.
pub const WAIT_HEAD: Duration = Duration::from_secs(60);

/// Two round trips on the slowest line.
pub const WAIT_HANDSHAKE: Duration = Duration::from_secs(10);

/// An upstream in the same data centre accepts at once, or is down.
pub const WAIT_CONNECT: Duration = Duration::from_secs(3);

/// Reports of old applications take minutes, and cutting one loses its user's work.
pub const WAIT_ANSWER: Duration = Duration::from_secs(5 * 60);

/// Longer than a mobile line is lost for in a tunnel, and as long as a revoked session's last short
/// body may go on.
pub const WAIT_BODY: Duration = Duration::from_secs(30);

/// Within what systemd (90 s) and Kubernetes (30 s) grant a process that stops.
pub const WAIT_DRAIN: Duration = Duration::from_secs(25);

/// Reports and uploads of old applications take minutes; what takes longer can be told.
pub const WORK_MAX: Duration = Duration::from_secs(30 * 60);

/// Enough for what was about to be over, and short against any absolute timeout.
pub const WORK_DRAIN: Duration = Duration::from_secs(2 * 60);

/// Long enough that a renewal is rare among requests, and short against a working day with a copied
/// session.
pub const TOKEN_RENEW_EVERY: Duration = Duration::from_secs(10 * 60);

/// Requests that a page sends at the same time come within it, also over a mobile line.
pub const TOKEN_OVERLAP: Duration = Duration::from_secs(30);

/// Before the namespace, so that apps that share a host have cookies of their own.
pub const TOKEN_COOKIE_PREFIX: &str = "curfew-";

/// What an application expects that builds links and checks CSRF by its own name.
pub const HOST_HEADER: &str = "pass";

/// Forms are sent by POST.
pub const LOGIN_METHODS: &[&str] = &["POST"];

/// An answer that tells of an error is no successful login.
pub const LOGIN_STATUSES: Range<u16> = 200..400;

/// What a refusal says where the administrator gave a body and no status.
pub const REFUSAL_STATUS: u16 = 401;
