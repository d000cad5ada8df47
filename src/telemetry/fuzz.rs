//! Checks of records: whatever a user, a client or a store wrote, a record is one line and says it.

use http::Method;
use serde_json::Value;

use crate::domain::policy::PolicyVersion;
use crate::domain::session::{USER_BYTES_MAX, UserName};
use crate::domain::time::Timestamp;
use crate::store::event::SessionEvent;

use super::access_log::AccessEntry;
use super::lines::append_line;

/// An event as a store holds it: what decodes is told in one line, and as it was.
pub fn event(bytes: &[u8]) {
    let Ok(event) = serde_json::from_slice::<SessionEvent>(bytes) else {
        return;
    };
    let mut lines = Vec::new();
    append_line(&mut lines, &event);
    let line = one_line(&lines);
    let told: SessionEvent = serde_json::from_str(line).expect("a line is JSON");
    assert_eq!(told, event);
}

/// A text in place of whatever others write: a user's name, a path, a host, a request's name.
pub fn log_lines(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Some(user) = UserName::new(&text) {
        assert!(!user.as_str().is_empty() && user.as_str().len() <= USER_BYTES_MAX);
        assert!(!user.as_str().chars().any(char::is_control));
    }
    let client = [192, 0, 2, 1].into();
    let at = Timestamp::from_millis(bytes.len() as u64);
    let method = Method::from_bytes(bytes).unwrap_or(Method::GET);
    let mut entry = AccessEntry::new(
        at,
        text.clone().into_owned(),
        client,
        method,
        PolicyVersion(1),
    );
    entry.host = Some(text.clone().into_owned());
    entry.path = text.clone().into_owned();
    entry.route = Some((&*text).into());
    let mut lines = Vec::new();
    append_line(&mut lines, &entry.line());
    let told: Value = serde_json::from_str(one_line(&lines)).expect("a line is JSON");
    for field in ["request", "host", "path", "route"] {
        assert_eq!(told[field], *text, "{field}");
    }
}

/// The line, which holds nothing that a terminal or a reader of lines takes for more than a letter.
fn one_line(lines: &[u8]) -> &str {
    let line = str::from_utf8(lines).expect("JSON is UTF-8");
    let line = line.strip_suffix('\n').expect("a line has an end");
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    assert!(!line.contains(is_hidden), "{line:?}");
    line
}
