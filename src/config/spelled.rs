//! How what was checked is spelled, for people who know the file.

use std::fmt;
use std::time::Duration;

use http::HeaderName;
use serde_json::Value;

use super::Sink;
use super::app::{
    CustomAnswer, ExpireAt, Extractor, HostHeader, HostPattern, LoginRecipe, LogoutRecipe, Page,
    RouteRule, Source, Success,
};
use super::device::When;
use super::passive::FrameRule;
use super::token::TokenCarrier;
use crate::domain::token::Renewal;

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

impl fmt::Display for HostHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pass => f.write_str("pass"),
            Self::Rewrite(host) => f.write_str(&String::from_utf8_lossy(host.as_bytes())),
        }
    }
}

impl fmt::Display for ExpireAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.domain {
            Some(domain) => write!(f, "{} of {domain}", self.path),
            None => f.write_str(&self.path),
        }
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            user_agent,
            mobile,
            platform,
            headers,
            networks,
        } = self;
        let mut told: Vec<String> = Vec::new();
        told.extend(user_agent.iter().map(|text| format!("user_agent {text}")));
        told.extend(mobile.map(|mobile| format!("mobile {mobile}")));
        told.extend(platform.iter().map(|name| format!("platform {name}")));
        let headers = headers.iter();
        told.extend(headers.map(|(name, text)| header_text(name, Some(&text.to_string()))));
        told.extend(networks.iter().map(|network| format!("network {network}")));
        f.write_str(&told.join(", "))
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Form(name) => write!(f, "form:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Json(pointer) => write!(f, "json:{pointer}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::AnswerHeader(name) => write!(f, "answer-header:{name}"),
            Self::AnswerJson(pointer) => write!(f, "answer-json:{pointer}"),
            Self::AnswerCookie { name, part } => {
                write!(f, "answer-cookie:{name}")?;
                part.map_or(Ok(()), |(separator, part)| write!(f, "@{separator}@{part}"))
            }
        }
    }
}

impl fmt::Display for Extractor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.claim {
            Some(claim) => write!(f, "claim:{claim} in {}", self.source),
            None => self.source.fmt(f),
        }
    }
}

/// `15m`.
pub(super) fn duration(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}

pub(super) fn duration_or_off(span: Duration) -> String {
    match span.is_zero() {
        true => "off".to_owned(),
        false => duration(span),
    }
}

pub(super) fn sink(sink: &Sink) -> String {
    match sink {
        Sink::Off => "off".to_owned(),
        Sink::Stdout => "stdout".to_owned(),
        Sink::File(path) => path.display().to_string(),
    }
}

/// What a route asks for, its limits too.
pub(super) fn rule(rule: &RouteRule) -> String {
    let [access, activity, on_stale] = rule.words();
    let RouteRule {
        access: _,
        activity: _,
        on_stale: _,
        limits,
        work,
        max_auth_age,
    } = rule;
    let mut told = vec![access.to_owned(), activity.to_owned(), on_stale.to_owned()];
    let bounds = limits.bounds();
    told.extend(bounds.idle.map(|after| format!("idle {}", duration(after))));
    told.extend(
        bounds
            .absolute
            .map(|after| format!("absolute {}", duration(after))),
    );
    told.extend(max_auth_age.map(|age| format!("max_auth_age {}", duration(age))));
    told.push(format!("work_max {}", duration_or_off(work.max)));
    told.push(format!("work_drain {}", duration_or_off(work.drain)));
    told.join(", ")
}

pub(super) fn login(recipe: &LoginRecipe) -> String {
    // A setting that is left out here would change in silence.
    let LoginRecipe {
        label: _,
        pattern,
        json,
        page,
        user,
        groups,
        success,
        same_id,
    } = recipe;
    let mut told = vec![pattern.text()];
    told.extend(pairs("json", json, json_value));
    match page {
        Page::At(path) => told.push(format!("page {path}")),
        Page::Same => told.push("page same".to_owned()),
        Page::None => {}
    }
    told.extend(user.as_ref().map(|user| format!("user {user}")));
    told.extend(groups.as_ref().map(|groups| format!("groups {groups}")));
    told.push(format!("success {{ {} }}", success_text(success)));
    told.extend(same_id.then(|| "same_id".to_owned()));
    told.join(", ")
}

fn success_text(success: &Success) -> String {
    let Success {
        status,
        location,
        location_not,
        new_session,
        cookie,
        header,
        json,
    } = success;
    let status: Vec<_> = status.iter().map(|status| status.as_str()).collect();
    let mut told = vec![format!("status {}", status.join(" "))];
    told.extend(
        location
            .as_ref()
            .map(|path| format!("location {}", path.text)),
    );
    told.extend(
        location_not
            .as_ref()
            .map(|path| format!("location_not {}", path.text)),
    );
    told.extend(new_session.then(|| "new_session".to_owned()));
    told.extend(cookie.as_ref().map(|name| format!("cookie {name}")));
    told.extend(
        header
            .as_ref()
            .map(|(name, value)| header_text(name, value.as_deref())),
    );
    told.extend(pairs("json", json, json_value));
    told.join(", ")
}

pub(super) fn logout(recipe: &LogoutRecipe) -> String {
    let LogoutRecipe { pattern, status } = recipe;
    let status: Vec<_> = status.iter().map(|status| status.as_str()).collect();
    match status.is_empty() {
        true => pattern.text(),
        false => format!("{}, status {}", pattern.text(), status.join(" ")),
    }
}

/// The messages of a WebSocket that are a person's.
pub(super) fn frames(rule: &FrameRule) -> String {
    let mut told = format!("{}: {}", rule.path.text, rule.text());
    if !rule.separator.is_empty() {
        told.push_str(&format!(", parted by {:?}", rule.separator));
    }
    told
}

/// A companion token.
pub(super) fn token(token: &TokenCarrier) -> String {
    let TokenCarrier {
        plain,
        // The same behind its prefix.
        secured: _,
        header,
        renewal: Renewal { every, overlap },
    } = token;
    let mut told = vec![format!("cookie {plain}")];
    told.extend(header.as_ref().map(|name| format!("header {name}")));
    told.push(format!("renew_every {}", duration(*every)));
    told.push(format!("overlap {}", duration(*overlap)));
    told.join(", ")
}

pub(super) fn answer(answer: &CustomAnswer) -> String {
    let CustomAnswer {
        status,
        headers,
        body,
    } = answer;
    let headers = headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        header_text(name, Some(&value))
    });
    let mut told = vec![status.as_str().to_owned()];
    told.extend(headers);
    told.push(format!("body {body:?}"));
    told.join(", ")
}

fn header_text(name: &HeaderName, value: Option<&str>) -> String {
    format!("header {name}: {}", value.unwrap_or("*"))
}

fn json_value(value: &Value) -> String {
    value.to_string()
}

fn pairs<V>(
    what: &str,
    pairs: &[(String, Option<V>)],
    text: impl Fn(&V) -> String,
) -> impl Iterator<Item = String> {
    pairs.iter().map(move |(name, value)| {
        let value = value.as_ref().map_or("*".to_owned(), &text);
        format!("{what} {name} = {value}")
    })
}
