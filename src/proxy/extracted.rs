//! What an extractor finds in a request or an answer.

use http::{HeaderMap, HeaderName};
use serde_json::Value;

/// What an extractor found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Extracted {
    /// Nothing: it is not there.
    #[default]
    Absent,
    /// One text, or the texts of a list.
    Values(Vec<String>),
    /// Twice, oversized, not a text, or read in different ways: whoever wrote it is not believed.
    Malformed,
}

impl Extracted {
    /// What stands at a pointer of a JSON document (RFC 6901).
    pub(crate) fn in_json(json: Option<&Value>, pointer: &str) -> Self {
        match json.and_then(|json| json.pointer(pointer)) {
            None | Some(Value::Null) => Self::Absent,
            Some(Value::String(text)) => Self::Values(vec![text.clone()]),
            Some(Value::Number(number)) => Self::Values(vec![number.to_string()]),
            Some(Value::Array(items)) => items
                .iter()
                .map(|item| item.as_str().map(ToOwned::to_owned))
                .collect::<Option<Vec<_>>>()
                .map_or(Self::Malformed, Self::Values),
            Some(Value::Bool(_) | Value::Object(_)) => Self::Malformed,
        }
    }

    /// The only header of this name.
    pub(crate) fn in_headers(headers: &HeaderMap, name: &HeaderName) -> Self {
        let mut found = headers.get_all(name).iter();
        match (found.next(), found.next()) {
            (None, _) => Self::Absent,
            (Some(_), Some(_)) => Self::Malformed,
            (Some(value), None) => match value.to_str() {
                Ok(text) => Self::Values(vec![text.to_owned()]),
                Err(_) => Self::Malformed,
            },
        }
    }
}
