//! What a route asks of a request, and what a request is.

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// No session. Stale ids are stripped, whatever the method.
    Public,
    /// Any live id, also an anonymous one.
    Session,
    /// A session whose login was seen. The default.
    Authenticated,
}

/// Whether a request moves the idle clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activity {
    /// A person did something.
    Active,
    /// Served, but never extends: polling, heartbeats, prefetches.
    Passive,
}

/// What becomes of a stale request where a session is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnStale {
    /// It is answered by the gateway.
    Refuse,
    /// Its ids are removed and the app sees an anonymous visitor. Unsafe methods are refused.
    Strip,
}

/// What kind of client waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Client {
    /// A browser that shows the answer as a page.
    Navigation,
    /// A script, or a program.
    Script,
    /// A WebSocket handshake.
    Upgrade,
}

/// Whether a method may change something (RFC 9110, 9.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Safety {
    /// GET, HEAD, OPTIONS.
    Safe,
    /// Everything else.
    Unsafe,
}

/// Where a visitor without a login may sign in at the path he asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoginPage {
    /// The login page has a path of its own, or there is none.
    Elsewhere,
    /// The app answers a protected page with its login form (`page = "same"`).
    Same,
}

/// What `decide` must know of a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestFacts {
    /// What its route needs.
    pub access: Access,
    /// Whether it moves the idle clock.
    pub activity: Activity,
    /// What becomes of it when it is stale.
    pub on_stale: OnStale,
    /// Who waits for the answer.
    pub client: Client,
    /// Whether its method is safe.
    pub safety: Safety,
    /// Whether its own path may show the login page.
    pub login_page: LoginPage,
}
