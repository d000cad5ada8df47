//! The kinds of value that the file may hold, each with its way to be read and its JSON Schema.

mod duration;

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;
use toml::value::{Datetime, Offset};

use crate::domain::access::{Access, Activity, OnStale};
use crate::domain::device::OnDeviceChange;
use crate::domain::rehearse::Mode;
use crate::domain::seats::WhenFull;
use crate::domain::time::Timestamp;

use super::carrier::AuthorizationRule;
use super::fault::{At, Code};
use super::passive::{Opcode, Preset};
use super::suggest::nearest;

pub(super) use duration::{DurationOrOff, DurationText};

/// Why a value is not of the kind that its key has.
pub(super) enum Unfit {
    /// It is of another TOML type.
    Type,
    /// It is of the right TOML type, and means nothing.
    Meaning {
        code: Code,
        message: String,
        help: String,
    },
}

/// A kind of value.
pub(super) trait FromValue: Sized {
    /// What it is called in a message, with its article.
    const KIND: &'static str;
    /// How one is written.
    const EXAMPLE: &'static str;

    fn from_value(value: &DeValue<'_>) -> Result<Self, Unfit>;
}

impl FromValue for String {
    const KIND: &'static str = "a string";
    const EXAMPLE: &'static str = "a text in quotes";

    fn from_value(value: &DeValue<'_>) -> Result<Self, Unfit> {
        value.as_str().map(str::to_owned).ok_or(Unfit::Type)
    }
}

impl FromValue for bool {
    const KIND: &'static str = "a boolean";
    const EXAMPLE: &'static str = "`true` or `false`";

    fn from_value(value: &DeValue<'_>) -> Result<Self, Unfit> {
        value.as_bool().ok_or(Unfit::Type)
    }
}

impl FromValue for u64 {
    const KIND: &'static str = "a number";
    const EXAMPLE: &'static str = "a whole number without quotes";

    fn from_value(value: &DeValue<'_>) -> Result<Self, Unfit> {
        let integer = value.as_integer().ok_or(Unfit::Type)?;
        Self::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| Unfit::Meaning {
            code: Code::Range,
            message: format!("{integer} is not a number from 0 to {}", Self::MAX),
            help: "write a whole number".to_owned(),
        })
    }
}

/// An instant with its offset, as a TOML date-time or as the same in quotes (RFC 3339).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instant(pub(super) Timestamp);

impl FromValue for Instant {
    const KIND: &'static str = "a date and time";
    const EXAMPLE: &'static str = "one with its offset, like 2026-07-01T00:00:00Z";

    fn from_value(value: &DeValue<'_>) -> Result<Self, Unfit> {
        let told = match value {
            DeValue::Datetime(told) => Some(*told),
            DeValue::String(text) => text.parse::<Datetime>().ok(),
            _ => return Err(Unfit::Type),
        };
        told.and_then(instant)
            .map(Self)
            .ok_or_else(|| Unfit::Meaning {
                code: Code::WrongType,
                message: "not a date and time with its offset from UTC".to_owned(),
                help: format!("write {}", Self::EXAMPLE),
            })
    }
}

fn instant(told: Datetime) -> Option<Timestamp> {
    let (date, time, offset) = (told.date?, told.time?, told.offset?);
    let east_minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let utc = humantime::parse_rfc3339(&format!("{date}T{time}Z")).ok()?;
    let since = utc.duration_since(std::time::UNIX_EPOCH).ok()?;
    let millis = i64::try_from(since.as_millis()).ok()? - east_minutes * 60_000;
    u64::try_from(millis).ok().map(Timestamp::from_millis)
}

impl JsonSchema for Instant {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Instant".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

/// A value that a JSON field is compared with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scalar(pub(super) serde_json::Value);

impl FromValue for Scalar {
    const KIND: &'static str = "a string, number or boolean";
    const EXAMPLE: &'static str = "what the field must equal, or \"*\" where it must only be there";

    fn from_value(value: &DeValue<'_>) -> Result<Self, Unfit> {
        let scalar = match value {
            DeValue::String(text) => serde_json::Value::from(text.as_ref()),
            DeValue::Boolean(flag) => serde_json::Value::from(*flag),
            DeValue::Integer(number) => {
                let number = i64::from_str_radix(number.as_str(), number.radix());
                serde_json::Value::from(number.map_err(|_| Unfit::Type)?)
            }
            DeValue::Float(number) => {
                serde_json::Value::from(number.as_str().parse::<f64>().map_err(|_| Unfit::Type)?)
            }
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => {
                return Err(Unfit::Type);
            }
        };
        Ok(Self(scalar))
    }
}

impl JsonSchema for Scalar {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Scalar".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

/// A meaning that is written as one of a few words.
pub(super) trait Words: Copy + PartialEq + 'static {
    const WORDS: &'static [(&'static str, Self)];

    /// The word for this meaning.
    fn word(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, meaning)| *meaning == self)
            .map_or("", |(word, _)| word)
    }
}

impl Words for Access {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("public", Self::Public),
        ("session", Self::Session),
        ("authenticated", Self::Authenticated),
    ];
}

impl Words for Activity {
    const WORDS: &'static [(&'static str, Self)] =
        &[("active", Self::Active), ("passive", Self::Passive)];
}

impl Words for OnStale {
    const WORDS: &'static [(&'static str, Self)] =
        &[("refuse", Self::Refuse), ("strip", Self::Strip)];
}

impl Words for OnDeviceChange {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("record", Self::Record),
        ("reauthenticate", Self::Reauthenticate),
        ("end", Self::End),
    ];
}

impl Words for WhenFull {
    const WORDS: &'static [(&'static str, Self)] =
        &[("refuse", Self::Refuse), ("displace", Self::Displace)];
}

impl Words for Mode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("enforce", Self::Enforce), ("monitor", Self::Monitor)];
}

impl Words for AuthorizationRule {
    const WORDS: &'static [(&'static str, Self)] = &[("strip", Self::Strip), ("pass", Self::Pass)];
}

impl Words for Opcode {
    const WORDS: &'static [(&'static str, Self)] =
        &[("text", Self::Text), ("binary", Self::Binary)];
}

impl Words for Preset {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("prefetch", Self::Prefetch),
        ("signalr", Self::SignalR),
        ("socket.io", Self::SocketIo),
        ("stomp", Self::Stomp),
        ("vaadin", Self::Vaadin),
    ];
}

/// What a store outage means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OnOutage {
    /// Requests that need a session are answered with 503.
    Deny,
}

impl Words for OnOutage {
    const WORDS: &'static [(&'static str, Self)] = &[("deny", Self::Deny)];
}

/// One of the words of `T`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<T>(pub(super) T);

impl<T: Words> FromValue for Word<T> {
    const KIND: &'static str = "a string";
    const EXAMPLE: &'static str = "a word in quotes";

    fn from_value(value: &DeValue<'_>) -> Result<Self, Unfit> {
        let typed = value.as_str().ok_or(Unfit::Type)?;
        let meaning = T::WORDS.iter().find(|(word, _)| *word == typed);
        meaning.map(|(_, meaning)| Self(*meaning)).ok_or_else(|| {
            let words = T::WORDS.iter().map(|(word, _)| *word);
            Unfit::Meaning {
                code: Code::UnknownWord,
                message: format!("{typed:?} means nothing here"),
                help: format!("write {}", did_you_mean(typed, words)),
            }
        })
    }
}

impl<T: Words> JsonSchema for Word<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Word".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let words: Vec<&str> = T::WORDS.iter().map(|(word, _)| *word).collect();
        json_schema!({ "type": "string", "enum": words })
    }
}

/// The nearest of `words` where one is near, else all of them: `"a", "b" or "c"`.
pub(super) fn did_you_mean<'a>(
    typed: &str,
    words: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    if let Some(word) = nearest(typed, words.clone()) {
        return format!("{word:?}");
    }
    let words: Vec<String> = words.into_iter().map(|word| format!("{word:?}")).collect();
    match words.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => String::new(),
    }
}

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        T::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}
