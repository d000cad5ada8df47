//! The raw form of an app's refusals.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::config::defaults;
use crate::config::fault::At;
use crate::config::reader::{FromTable, Pairs, TableReader};

/// How refusals look.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawRefusals {
    /// To a browser that opens a page. Default: a redirect to the login page, or the gateway's
    /// own page.
    pub(crate) navigation: Option<At<RawAnswer>>,
    /// To a script. Default: 401 with a problem document (RFC 9457).
    pub(crate) script: Option<At<RawAnswer>>,
}

impl FromTable for RawRefusals {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            navigation: table.table("navigation"),
            script: table.table("script"),
        }
    }
}

/// An answer of the administrator's own.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawAnswer {
    /// Its status.
    #[schemars(extend("default" = defaults::REFUSAL_STATUS))]
    pub(crate) status: Option<At<u64>>,
    /// Its headers.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(crate) headers: Option<Pairs<String>>,
    /// Its body; `{code}` and `{detail}` are filled in. Default: empty.
    pub(crate) body: Option<At<String>>,
}

impl FromTable for RawAnswer {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            status: table.value("status"),
            headers: table.pairs("headers"),
            body: table.value("body"),
        }
    }
}
