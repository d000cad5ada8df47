//! The raw form of an app's passive traffic.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::config::fault::At;
use crate::config::passive::Opcode;
use crate::config::reader::{FromTable, Pairs, TableReader};
use crate::config::value::{Scalar, Word};

/// Requests that never move the idle clock, whatever their route says. All that is said must hold,
/// and something must be said.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawPassive {
    /// The path: a pattern over normalised paths. Default: any.
    pub(crate) path: Option<At<String>>,
    /// The methods. Default: any.
    pub(crate) methods: Option<At<Vec<At<String>>>>,
    /// Query parameters and their values; `*` where one must only be there.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(crate) query: Option<Pairs<String>>,
    /// Headers and their values; `*` where one must only be there.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(crate) headers: Option<Pairs<String>>,
    /// Only where the app answers with one of these statuses, such as 304. Default: whatever it
    /// answers.
    pub(crate) status: Option<At<Vec<At<u64>>>>,
}

impl FromTable for RawPassive {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            path: table.value("path"),
            methods: table.list("methods"),
            query: table.pairs("query"),
            headers: table.pairs("headers"),
            status: table.list("status"),
        }
    }
}

/// Messages of a WebSocket's client that are a person's: they move the idle clock. All that is said
/// must hold.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawPersonFrames {
    /// The WebSockets that are meant: a pattern over normalised paths. Default: all of the app.
    pub(crate) path: Option<At<String>>,
    /// `text` or `binary`.
    #[schemars(extend("default" = "text"))]
    pub(crate) opcode: Option<At<Word<Opcode>>>,
    /// How long a message is at least.
    #[schemars(extend("default" = 0))]
    pub(crate) min_bytes: Option<At<u64>>,
    /// How it begins. Default: in any way.
    pub(crate) prefix: Option<At<String>>,
    /// What parts the messages that one frame may hold. Default: it holds one.
    pub(crate) separator: Option<At<String>>,
    /// Fields of its JSON (RFC 6901 pointers) and their values; `*` where one must only be there.
    #[schemars(with = "Option<BTreeMap<String, Scalar>>")]
    pub(crate) json: Option<Pairs<Scalar>>,
    /// Fields of its JSON and the values that they must not have; `*` where one must not be there.
    #[schemars(with = "Option<BTreeMap<String, Scalar>>")]
    pub(crate) json_not: Option<Pairs<Scalar>>,
}

impl FromTable for RawPersonFrames {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            path: table.value("path"),
            opcode: table.value("opcode"),
            min_bytes: table.value("min_bytes"),
            prefix: table.value("prefix"),
            separator: table.value("separator"),
            json: table.pairs("json"),
            json_not: table.pairs("json_not"),
        }
    }
}

/// What a preset stands for.
pub(crate) struct RawPreset {
    pub(crate) passive: Vec<At<RawPassive>>,
    pub(crate) person_frames: Vec<At<RawPersonFrames>>,
}

impl FromTable for RawPreset {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            passive: table.tables("passive"),
            person_frames: table.tables("person_frames"),
        }
    }
}
