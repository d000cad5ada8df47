//! The raw form of an app: its session, logins, logouts, routes and refusals.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::config::carrier::AuthorizationRule;
use crate::config::defaults;
use crate::config::fault::At;
use crate::config::passive::Preset;
use crate::config::reader::{FromTable, Pairs, TableReader};
use crate::config::value::{DurationOrOff, DurationText, Instant, Scalar, Word};
use crate::domain::access::{Access, Activity, OnStale};
use crate::domain::device::OnDeviceChange;
use crate::domain::rehearse::Mode;

use super::duration;
use super::passive::{RawPassive, RawPersonFrames};
use super::refusal::RawRefusals;
use super::token::RawToken;

/// One application behind the gateway.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawApp {
    /// Its name in records and metrics.
    #[schemars(required)]
    pub(crate) name: Option<At<String>>,
    /// The names it answers to, such as `procure.example.com` or `*.example.com`. Default: all.
    pub(crate) hosts: Option<At<Vec<At<String>>>>,
    /// The path below which it lives, such as `/examples`. Default: the whole host.
    pub(crate) prefix: Option<At<String>>,
    /// Where it listens, `http://HOST:PORT`. The first that accepts is used.
    #[schemars(required)]
    pub(crate) upstreams: Option<At<Vec<At<String>>>>,
    /// What its ids are hashed with. Apps that share a host and a cookie name share it.
    /// Default: the app's name.
    pub(crate) namespace: Option<At<String>>,
    /// The `Host` it is shown: `pass` for the client's, or another.
    #[schemars(extend("default" = defaults::HOST_HEADER))]
    pub(crate) host_header: Option<At<String>>,
    /// The longest idle timeout of its sessions, whatever the role. Default: none.
    pub(crate) idle: Option<At<DurationText>>,
    /// The longest absolute timeout of its sessions, whatever the role. Default: none.
    pub(crate) absolute: Option<At<DurationText>>,
    /// Whether limits end its sessions: with `monitor` they are watched, and what they would have
    /// ended is recorded and goes on.
    #[schemars(extend("default" = "enforce"))]
    pub(crate) mode: Option<At<Word<Mode>>>,
    /// How long a request that is under way keeps its session from being idle: an upload, a
    /// download, an answer that the app takes its time for. `off` for not at all.
    #[schemars(extend("default" = duration(defaults::WORK_MAX)))]
    pub(crate) work_max: Option<At<DurationOrOff>>,
    /// How long it may go on behind the absolute timeout. `off` for not at all.
    #[schemars(extend("default" = duration(defaults::WORK_DRAIN)))]
    pub(crate) work_drain: Option<At<DurationOrOff>>,
    /// What a path needs that no route names: `public` no session, `session` any live id,
    /// `authenticated` a login.
    #[schemars(extend("default" = "authenticated"))]
    pub(crate) access: Option<At<Word<Access>>>,
    /// What becomes of a request whose session ended: `refuse` answers it, `strip` lets the app
    /// see it without its ids (never for methods that change something).
    #[schemars(extend("default" = "refuse"))]
    pub(crate) on_stale: Option<At<Word<OnStale>>>,
    /// What becomes of a session that moves to a device of another class: `record` tells it once
    /// in the audit, `reauthenticate` has its user log in again, `end` ends it.
    #[schemars(extend("default" = "record"))]
    pub(crate) on_device_change: Option<At<Word<OnDeviceChange>>>,
    /// Until when ids that were issued before the gateway was there are adopted, under the
    /// strictest limits. Default: never.
    pub(crate) adopt_until: Option<At<Instant>>,
    /// Whether who was sent to log in again is led back to where he was: the redirect with which
    /// the app answers his login is changed to it. Default: where anything makes him log in again,
    /// `max_auth_age`, `on_device_change = "reauthenticate"` or a role's `max_role_age`.
    pub(crate) way_back: Option<At<bool>>,
    /// How its session looks on the wire.
    #[schemars(required)]
    pub(crate) session: Option<At<RawSession>>,
    /// How its users log in, one table for each way. The first that matches a request is tried.
    #[schemars(default)]
    pub(crate) logins: Vec<At<RawLogin>>,
    /// How they log out, one table for each way.
    #[schemars(default)]
    pub(crate) logouts: Vec<At<RawLogout>>,
    /// What its paths need. The first that matches wins.
    #[schemars(default)]
    pub(crate) routes: Vec<At<RawRoute>>,
    /// Pollers that are known by name: their requests are passive, and of their frames those that
    /// a person's doing sends are not.
    pub(crate) presets: Option<At<Vec<At<Word<Preset>>>>>,
    /// Requests that never move the idle clock, whatever their route says.
    #[schemars(default)]
    pub(crate) passive: Vec<At<RawPassive>>,
    /// Messages of its WebSockets' clients that are a person's. All others are passive.
    #[schemars(default)]
    pub(crate) person_frames: Vec<At<RawPersonFrames>>,
    /// A second secret beside the id, which only the gateway and its client know and which is
    /// renewed as time goes by. Default: none.
    pub(crate) token: Option<At<RawToken>>,
    /// How refusals look, where the client expects its own kind.
    pub(crate) refusal: Option<At<RawRefusals>>,
}

impl FromTable for RawApp {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        table.needs("name", r#"name = "procurement""#);
        table.needs("upstreams", r#"upstreams = ["http://127.0.0.1:8080"]"#);
        table.needs("session", r#"[apps.session] and id = "cookie:JSESSIONID""#);
        Self {
            name: table.value("name"),
            hosts: table.list("hosts"),
            prefix: table.value("prefix"),
            upstreams: table.list("upstreams"),
            namespace: table.value("namespace"),
            host_header: table.value("host_header"),
            idle: table.value("idle"),
            absolute: table.value("absolute"),
            mode: table.value("mode"),
            work_max: table.value("work_max"),
            work_drain: table.value("work_drain"),
            access: table.value("access"),
            on_stale: table.value("on_stale"),
            on_device_change: table.value("on_device_change"),
            adopt_until: table.value("adopt_until"),
            way_back: table.value("way_back"),
            session: table.table("session"),
            logins: table.tables("logins"),
            logouts: table.tables("logouts"),
            routes: table.tables("routes"),
            presets: table.list("presets"),
            passive: table.tables("passive"),
            person_frames: table.tables("person_frames"),
            token: table.table("token"),
            refusal: table.table("refusal"),
        }
    }
}

/// How an app's session looks on the wire.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawSession {
    /// Where its id travels: `cookie:NAME`, `path:NAME` (`;NAME=` in the path), `query:NAME`,
    /// `authorization:SCHEME` or `header:NAME`.
    #[schemars(required)]
    pub(crate) id: Option<At<String>>,
    /// Where else the same id may travel, in the same words.
    pub(crate) also: Option<At<Vec<At<String>>>>,
    /// Cookies without which the id's own is nothing: forwarded, stripped and expired with it.
    pub(crate) group: Option<At<Vec<At<String>>>>,
    /// Cookies that log in again by themselves (remember-me, single sign-on): they die with the
    /// session.
    pub(crate) auth_cookies: Option<At<Vec<At<String>>>>,
    /// What becomes of `Authorization` where it carries no id: `strip` removes it where a session
    /// is needed, since Basic and Negotiate log in again in silence.
    #[schemars(extend("default" = "strip"))]
    pub(crate) authorization: Option<At<Word<AuthorizationRule>>>,
    /// Where else than in a Set-Cookie the app announces an id: `answer-header:NAME` or
    /// `answer-json:/POINTER`.
    pub(crate) issued: Option<At<Vec<At<String>>>>,
    /// Paths and Domains at which a refusal also expires the cookies, besides those the app was
    /// seen to use.
    #[schemars(default)]
    pub(crate) expire_at: Vec<At<RawExpireAt>>,
}

impl FromTable for RawSession {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        table.needs("id", r#"id = "cookie:JSESSIONID""#);
        Self {
            id: table.value("id"),
            also: table.list("also"),
            group: table.list("group"),
            auth_cookies: table.list("auth_cookies"),
            authorization: table.value("authorization"),
            issued: table.list("issued"),
            expire_at: table.tables("expire_at"),
        }
    }
}

/// Attributes of a cookie that must be expired.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawExpireAt {
    /// Its Path.
    #[schemars(required)]
    pub(crate) path: Option<At<String>>,
    /// Its Domain. Default: none.
    pub(crate) domain: Option<At<String>>,
}

impl FromTable for RawExpireAt {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        table.needs("path", r#"path = "/""#);
        Self {
            path: table.value("path"),
            domain: table.value("domain"),
        }
    }
}

/// One way to log in. All that is said of the request must hold.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawLogin {
    /// Its name in metrics. Default: its path and query.
    pub(crate) name: Option<At<String>>,
    /// The path that the login is sent to: a pattern over normalised paths.
    #[schemars(required)]
    pub(crate) path: Option<At<String>>,
    /// The methods.
    #[schemars(extend("default" = defaults::LOGIN_METHODS))]
    pub(crate) methods: Option<At<Vec<At<String>>>>,
    /// Query parameters and their values; `*` where one must only be there.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(crate) query: Option<Pairs<String>>,
    /// Headers and their values; `*` where one must only be there.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(crate) headers: Option<Pairs<String>>,
    /// Fields of the JSON body (RFC 6901 pointers) and their values; `*` where one must only be
    /// there.
    #[schemars(with = "Option<BTreeMap<String, Scalar>>")]
    pub(crate) json: Option<Pairs<Scalar>>,
    /// Where its form is shown: a path, which is public, or `same` where the app shows it in place
    /// of any protected page. Default: nowhere, a program logs in.
    pub(crate) page: Option<At<String>>,
    /// Where the user's name is found: an extractor such as `form:j_username`, or
    /// `claim:sub in answer-cookie:token`.
    pub(crate) user: Option<At<String>>,
    /// Where his groups are found: an extractor.
    pub(crate) groups: Option<At<String>>,
    /// How the answer tells that the login succeeded. All that is said must hold.
    #[schemars(required)]
    pub(crate) success: Option<At<RawSuccess>>,
    /// The app keeps its id over the login. It is then open to session fixation.
    #[schemars(extend("default" = false))]
    pub(crate) same_id: Option<At<bool>>,
}

impl FromTable for RawLogin {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        table.needs("path", r#"path = "/login""#);
        table.needs(
            "success",
            "success = { status = [302, 303], new_session = true }",
        );
        Self {
            name: table.value("name"),
            path: table.value("path"),
            methods: table.list("methods"),
            query: table.pairs("query"),
            headers: table.pairs("headers"),
            json: table.pairs("json"),
            page: table.value("page"),
            user: table.value("user"),
            groups: table.value("groups"),
            success: table.table("success"),
            same_id: table.value("same_id"),
        }
    }
}

/// How an answer tells success. All that is said must hold, and something must be said.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawSuccess {
    /// The status is one of these. Default: all below 400.
    pub(crate) status: Option<At<Vec<At<u64>>>>,
    /// `Location` leads to a path that matches this pattern. Where the pattern has a query, the
    /// query counts too.
    pub(crate) location: Option<At<String>>,
    /// `Location` leads to none that matches this pattern.
    pub(crate) location_not: Option<At<String>>,
    /// A new id is issued.
    #[schemars(extend("default" = false))]
    pub(crate) new_session: Option<At<bool>>,
    /// This cookie is set, and not deleted.
    pub(crate) cookie: Option<At<String>>,
    /// This one header is there, with this value; `*` for any.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(crate) header: Option<Pairs<String>>,
    /// Fields of the JSON answer (RFC 6901 pointers) and their values; `*` for any.
    #[schemars(with = "Option<BTreeMap<String, Scalar>>")]
    pub(crate) json: Option<Pairs<Scalar>>,
}

impl FromTable for RawSuccess {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            status: table.list("status"),
            location: table.value("location"),
            location_not: table.value("location_not"),
            new_session: table.value("new_session"),
            cookie: table.value("cookie"),
            header: table.pairs("header"),
            json: table.pairs("json"),
        }
    }
}

/// One way to log out. All that is said must hold.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawLogout {
    /// The path: a pattern over normalised paths.
    #[schemars(required)]
    pub(crate) path: Option<At<String>>,
    /// The methods. Default: any.
    pub(crate) methods: Option<At<Vec<At<String>>>>,
    /// Query parameters and their values; `*` where one must only be there.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(crate) query: Option<Pairs<String>>,
    /// Headers and their values; `*` where one must only be there.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(crate) headers: Option<Pairs<String>>,
    /// Statuses with which the app tells that it did. Default: all below 400.
    pub(crate) status: Option<At<Vec<At<u64>>>>,
}

impl FromTable for RawLogout {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        table.needs("path", r#"path = "/logout""#);
        Self {
            path: table.value("path"),
            methods: table.list("methods"),
            query: table.pairs("query"),
            headers: table.pairs("headers"),
            status: table.list("status"),
        }
    }
}

/// What some requests of an app need. All that is said of the request must hold.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawRoute {
    /// The path: a pattern over normalised paths. `*` stays within a segment, `**` does not.
    #[schemars(required)]
    pub(crate) path: Option<At<String>>,
    /// The methods. Default: any.
    pub(crate) methods: Option<At<Vec<At<String>>>>,
    /// Query parameters and their values; `*` where one must only be there.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(crate) query: Option<Pairs<String>>,
    /// Headers and their values; `*` where one must only be there.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(crate) headers: Option<Pairs<String>>,
    /// What it needs: `public`, `session` or `authenticated`. Default: the app's `access`.
    pub(crate) access: Option<At<Word<Access>>>,
    /// Whether it moves the idle clock: `active` does, `passive` (polling, heartbeats) never.
    #[schemars(extend("default" = "active"))]
    pub(crate) activity: Option<At<Word<Activity>>>,
    /// What becomes of stale requests: `refuse` or `strip`. Default: the app's `on_stale`.
    pub(crate) on_stale: Option<At<Word<OnStale>>>,
    /// The longest idle timeout here: a request for it ends a session that is past it, whatever
    /// the role. Default: none.
    pub(crate) idle: Option<At<DurationText>>,
    /// The longest absolute timeout here. Default: none.
    pub(crate) absolute: Option<At<DurationText>>,
    /// An older login must prove itself again here. Default: none.
    pub(crate) max_auth_age: Option<At<DurationText>>,
    /// How long work under way counts here. Default: the app's `work_max`.
    pub(crate) work_max: Option<At<DurationOrOff>>,
    /// How long it may go on behind the absolute timeout. Default: the app's `work_drain`.
    pub(crate) work_drain: Option<At<DurationOrOff>>,
}

impl FromTable for RawRoute {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        table.needs("path", r#"path = "/assets/**""#);
        Self {
            path: table.value("path"),
            methods: table.list("methods"),
            query: table.pairs("query"),
            headers: table.pairs("headers"),
            access: table.value("access"),
            activity: table.value("activity"),
            on_stale: table.value("on_stale"),
            idle: table.value("idle"),
            absolute: table.value("absolute"),
            max_auth_age: table.value("max_auth_age"),
            work_max: table.value("work_max"),
            work_drain: table.value("work_drain"),
        }
    }
}
