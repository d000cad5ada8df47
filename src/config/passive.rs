//! What of an app's traffic is no person's: requests that are passive whatever their route says,
//! and the frames of its WebSockets that are a person's all the same.

use std::fmt::Write as _;
use std::sync::Arc;

use http::StatusCode;
use serde_json::Value;

use super::app::{PathPattern, RequestPattern};

/// A poller that is known by name. What it stands for is in `presets/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Browsers that fetch a page before anybody asked for it.
    Prefetch,
    /// ASP.NET Core SignalR, in JSON.
    SignalR,
    /// Socket.IO.
    SocketIo,
    /// STOMP over WebSocket, with or without SockJS.
    Stomp,
    /// Vaadin.
    Vaadin,
}

impl Preset {
    /// What it stands for, as the tables of an app would say it.
    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::Prefetch => include_str!("presets/prefetch.toml"),
            Self::SignalR => include_str!("presets/signalr.toml"),
            Self::SocketIo => include_str!("presets/socket-io.toml"),
            Self::Stomp => include_str!("presets/stomp.toml"),
            Self::Vaadin => include_str!("presets/vaadin.toml"),
        }
    }
}

/// What an app's policy says of passive traffic. Presets come first.
#[derive(Debug, Clone, Default)]
pub struct Passivity {
    /// Requests that are passive whatever their route says: those that any of these means.
    pub requests: Vec<PassiveRule>,
    /// Frames of its WebSockets that are a person's: those that any of these means.
    pub frames: Vec<Arc<FrameRule>>,
}

/// Requests that never move the idle clock.
#[derive(Debug, Clone)]
pub struct PassiveRule {
    /// Which requests are meant.
    pub pattern: RequestPattern,
    /// Only where the app answers with one of these; empty for whatever it answers.
    pub status: Vec<StatusCode>,
    /// The preset that it comes from.
    pub preset: Option<Preset>,
}

impl PassiveRule {
    /// Which requests are meant, in one line.
    pub fn text(&self) -> String {
        let mut text = self.pattern.text();
        for (index, status) in self.status.iter().enumerate() {
            let before = if index == 0 { " answered" } else { " or" };
            text.push_str(before);
            text.push(' ');
            text.push_str(status.as_str());
        }
        text
    }
}

/// Whether a message is text or binary data (RFC 6455, 5.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opcode {
    /// Text.
    Text,
    /// Binary data.
    Binary,
}

/// Messages of a client that show that a person is there. All that is said must hold.
#[derive(Debug, Clone)]
pub struct FrameRule {
    /// The WebSockets that are meant.
    pub path: PathPattern,
    /// Text or binary data.
    pub opcode: Opcode,
    /// How long a message is at least.
    pub min_bytes: u64,
    /// How it begins.
    pub prefix: String,
    /// What parts the several messages that one frame may hold; empty where it holds one.
    pub separator: String,
    /// Fields of its JSON (RFC 6901) that must have these values, or be there.
    pub json: Vec<(String, Option<Value>)>,
    /// Fields of its JSON that must not have these values, or not be there.
    pub json_not: Vec<(String, Option<Value>)>,
    /// The preset that it comes from.
    pub preset: Option<Preset>,
}

impl FrameRule {
    /// Which messages are meant, in one line.
    pub fn text(&self) -> String {
        let mut text = match self.opcode {
            Opcode::Text => "text".to_owned(),
            Opcode::Binary => "binary".to_owned(),
        };
        let mut say = |said: std::fmt::Arguments<'_>| {
            // A text takes whatever is written to it.
            text.write_fmt(said).unwrap_or_default();
        };
        if self.min_bytes > 0 {
            say(format_args!(", {} bytes or more", self.min_bytes));
        }
        if !self.prefix.is_empty() {
            say(format_args!(", begins with {:?}", self.prefix));
        }
        for (pointer, value) in &self.json {
            match value {
                Some(value) => say(format_args!(", {pointer} is {value}")),
                None => say(format_args!(", {pointer} is there")),
            }
        }
        for (pointer, value) in &self.json_not {
            match value {
                Some(value) => say(format_args!(", {pointer} is not {value}")),
                None => say(format_args!(", {pointer} is not there")),
            }
        }
        text
    }
}
