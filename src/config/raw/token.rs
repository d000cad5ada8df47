//! The raw form of an app's companion token.

use schemars::JsonSchema;

use crate::config::defaults;
use crate::config::fault::At;
use crate::config::reader::{FromTable, TableReader};
use crate::config::value::DurationText;

use super::duration;

/// A second secret beside the id of whoever logged in. A copied session is found out by it: of two
/// who use it, one is left behind with a value that was replaced.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawToken {
    /// How long a value is in force before the next one is handed out.
    #[schemars(extend("default" = duration(defaults::TOKEN_RENEW_EVERY)))]
    pub(crate) renew_every: Option<At<DurationText>>,
    /// How long the value before is still good for, once its successor was presented: for requests
    /// that were under way.
    #[schemars(extend("default" = duration(defaults::TOKEN_OVERLAP)))]
    pub(crate) overlap: Option<At<DurationText>>,
    /// The cookie's name. Over TLS it is prefixed with `__Host-`. Default: `curfew-` and the
    /// namespace.
    pub(crate) cookie: Option<At<String>>,
    /// A header for clients that keep no cookies: whoever sends it, empty at the login, gets the
    /// values by it. Default: none.
    pub(crate) header: Option<At<String>>,
}

impl FromTable for RawToken {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            renew_every: table.value("renew_every"),
            overlap: table.value("overlap"),
            cookie: table.value("cookie"),
            header: table.value("header"),
        }
    }
}
