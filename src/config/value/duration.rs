//! Durations: texts with units.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use toml::de::DeValue;

use super::{FromValue, Unfit};
use crate::config::fault::Code;

/// A duration, written as a text with units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct DurationText(pub(in crate::config) Duration);

/// A duration, or `off` for none at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct DurationOrOff(pub(in crate::config) Duration);

/// The word that switches something off.
const OFF: &str = "off";

impl FromValue for DurationOrOff {
    const KIND: &'static str = DurationText::KIND;
    const EXAMPLE: &'static str = "a text with a unit, like \"15m\", or \"off\"";

    fn from_value(value: &DeValue<'_>) -> Result<Self, Unfit> {
        if value.as_str() == Some(OFF) {
            return Ok(Self(Duration::ZERO));
        }
        DurationText::from_value(value).map(|told| Self(told.0))
    }
}

impl JsonSchema for DurationOrOff {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "DurationOrOff".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let duration = DURATION_PATTERN
            .trim_start_matches('^')
            .trim_end_matches('$');
        json_schema!({ "type": "string", "pattern": format!("^({OFF}|{duration})$") })
    }
}

/// A longer limit or wait than this is a slip of the pen: no session of a person lives that long.
const DURATION_MAX: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Which duration texts are possible, for editors.
const DURATION_PATTERN: &str = r"^\s*([0-9]+(\.[0-9]+)?\s*(ms|millis|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|wks?|weeks?)\s*)+$";

impl FromValue for DurationText {
    const KIND: &'static str = "a duration";
    const EXAMPLE: &'static str = "a text with a unit, like \"15m\" or \"15s\"";

    fn from_value(value: &DeValue<'_>) -> Result<Self, Unfit> {
        if let Some(number) = value.as_integer() {
            return Err(without_unit(&number.to_string(), number));
        }
        let text = value.as_str().ok_or(Unfit::Type)?.trim();
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(without_unit(text, format!("{text:?}")));
        }
        if let Some(unit) = calendar_unit(text) {
            return Err(Unfit::Meaning {
                code: Code::Duration,
                message: format!("`{unit}` is a unit without a fixed length"),
                help: "write days, like \"30d\"; `m` is a minute".to_owned(),
            });
        }
        let duration = humantime::parse_duration(text).map_err(|_| Unfit::Meaning {
            code: Code::Duration,
            message: format!("{text:?} is no duration"),
            help: "write numbers with units (ms, s, m, h, d, w), like \"1h 30m\"".to_owned(),
        })?;
        within_range(text, duration).map(Self)
    }
}

fn without_unit(number: &str, told: impl std::fmt::Display) -> Unfit {
    Unfit::Meaning {
        code: Code::Duration,
        message: format!("{told} has no unit"),
        help: format!("write \"{number}m\" or \"{number}s\""),
    }
}

fn within_range(text: &str, duration: Duration) -> Result<Duration, Unfit> {
    let (message, help) = if duration.as_millis() == 0 {
        (
            "shorter than a millisecond",
            "write how long, like \"15m\"; nothing can be switched off by zero",
        )
    } else if duration > DURATION_MAX {
        ("longer than a year", "write at most \"366d\"")
    } else {
        return Ok(duration);
    };
    Err(Unfit::Meaning {
        code: Code::DurationRange,
        message: format!("{text:?} is {message}"),
        help: help.to_owned(),
    })
}

/// The month or year in a duration text: `humantime` takes `1M` for 30.44 days, and a reader may
/// take it for a minute.
fn calendar_unit(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_alphabetic()).find(|unit| {
        matches!(
            *unit,
            "M" | "month" | "months" | "y" | "year" | "years" | "yr" | "yrs"
        )
    })
}

impl JsonSchema for DurationText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": DURATION_PATTERN })
    }
}
