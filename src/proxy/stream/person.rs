//! Listens to a WebSocket's client for messages that show that a person is there.
//!
//! A heartbeat keeps a connection, not a session: only what the policy names counts. What cannot be
//! read, since an extension compressed it, does not.

use std::mem;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::config::passive::{FrameRule, Opcode};
use crate::proxy::recipe;

use super::websocket::{FrameKind, FrameTracker, PayloadPart, Step};

/// Bytes of one message that are held to be read, by rules that read more than its beginning; for as
/// long as the message lasts. Of a longer one, its beginning and its length count, and no JSON.
const MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// Follows what a client sends, in pieces of any size.
pub(crate) struct FrameWatch {
    rules: Vec<Arc<FrameRule>>,
    /// How much of a message its rules read.
    held_max: usize,
    tracker: FrameTracker,
    message: Message,
    heard: Arc<Notify>,
}

impl FrameWatch {
    pub(crate) fn new(rules: Vec<Arc<FrameRule>>) -> Self {
        let held_max = rules.iter().map(|rule| read_by(rule)).max();
        Self {
            held_max: held_max.unwrap_or_default(),
            rules,
            tracker: FrameTracker::new(),
            message: Message::default(),
            heard: Arc::default(),
        }
    }

    /// Is notified when a person was heard.
    pub(crate) fn heard(&self) -> Arc<Notify> {
        Arc::clone(&self.heard)
    }

    /// Goes over what the client sent.
    pub(super) fn follow(&mut self, mut bytes: &[u8]) {
        loop {
            let (message, held_max) = (&mut self.message, self.held_max);
            let step = self
                .tracker
                .step_reading(bytes, |part| message.take(part, held_max));
            let Step::Frame { frame, used } = step else {
                return;
            };
            bytes = &bytes[used..];
            if is_data(frame.kind) && self.message.ends {
                let message = mem::take(&mut self.message);
                if self.rules.iter().any(|rule| message.is_meant_by(rule)) {
                    self.heard.notify_one();
                }
            }
        }
    }
}

/// A message, whose fragments may have control frames between them (RFC 6455, 5.4).
#[derive(Default)]
struct Message {
    /// None where it began with a continuation.
    opcode: Option<Opcode>,
    /// Its beginning, or all of it.
    held: Vec<u8>,
    /// How long it is.
    bytes: u64,
    /// Whether an extension made something else of it.
    is_extended: bool,
    /// Whether its last fragment has begun.
    ends: bool,
}

impl Message {
    fn take(&mut self, part: PayloadPart<'_>, held_max: usize) {
        match part.kind {
            FrameKind::Text => self.opcode = Some(Opcode::Text),
            FrameKind::Binary => self.opcode = Some(Opcode::Binary),
            FrameKind::Continuation => {}
            FrameKind::Close | FrameKind::Ping | FrameKind::Pong => return,
        }
        self.is_extended |= part.is_extended;
        self.ends = part.is_last_fragment;
        let bytes = part.unmasked();
        self.bytes += bytes.len() as u64;
        let room = held_max - self.held.len();
        self.held.extend(bytes.take(room));
    }

    fn is_meant_by(&self, rule: &FrameRule) -> bool {
        if self.is_extended || self.opcode != Some(rule.opcode) {
            return false;
        }
        if rule.separator.is_empty() {
            return self.bytes >= rule.min_bytes && holds(rule, &self.held);
        }
        let parts = Parts {
            rest: Some(&self.held),
            separator: rule.separator.as_bytes(),
        };
        parts
            .filter(|part| !part.is_empty() && part.len() as u64 >= rule.min_bytes)
            .any(|part| holds(rule, part))
    }
}

/// How much of a message a rule reads.
fn read_by(rule: &FrameRule) -> usize {
    let reads_beginning =
        rule.separator.is_empty() && rule.json.is_empty() && rule.json_not.is_empty();
    match reads_beginning {
        true => rule.prefix.len().min(MESSAGE_BYTES_MAX),
        false => MESSAGE_BYTES_MAX,
    }
}

/// Whether a message says what a rule wants. One that was held in part is no JSON.
fn holds(rule: &FrameRule, message: &[u8]) -> bool {
    if !message.starts_with(rule.prefix.as_bytes()) {
        return false;
    }
    if rule.json.is_empty() && rule.json_not.is_empty() {
        return true;
    }
    let Ok(json) = serde_json::from_slice(message) else {
        return false;
    };
    let denied = rule.json_not.chunks(1);
    recipe::holds(&json, &rule.json) && !denied.into_iter().any(|one| recipe::holds(&json, one))
}

fn is_data(kind: FrameKind) -> bool {
    matches!(
        kind,
        FrameKind::Text | FrameKind::Binary | FrameKind::Continuation
    )
}

/// What stands between separators.
struct Parts<'a> {
    rest: Option<&'a [u8]>,
    separator: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let length = self.separator.len();
        let at = rest.windows(length).position(|part| part == self.separator);
        let Some(at) = at else {
            return Some(rest);
        };
        self.rest = Some(&rest[at + length..]);
        Some(&rest[..at])
    }
}

#[cfg(test)]
mod tests;
