//! Device classes, field for field.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::config::fault::At;
use crate::config::reader::{FromTable, Pairs, TableReader};
use crate::config::value::DurationText;

/// A class of devices.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawDevice {
    /// By what its devices are known. Any of these is enough.
    #[schemars(required, length(min = 1))]
    pub(crate) when: Vec<At<RawWhen>>,
    /// The longest idle timeout on such a device, whatever the role. Default: none.
    pub(crate) idle: Option<At<DurationText>>,
    /// The longest absolute timeout on such a device, whatever the role. Default: none.
    pub(crate) absolute: Option<At<DurationText>>,
}

impl FromTable for RawDevice {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        table.needs("when", r#"when = [{ user_agent = ["Mobile"] }]"#);
        Self {
            when: table.tables("when"),
            idle: table.value("idle"),
            absolute: table.value("absolute"),
        }
    }
}

/// What a request on a device of a class has. All that is said must hold.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawWhen {
    /// Texts, one of which is somewhere in `User-Agent`; `*` stands for any characters, and case
    /// does not count.
    pub(crate) user_agent: Option<At<Vec<At<String>>>>,
    /// The client hint `Sec-CH-UA-Mobile`: `true` for `?1`, `false` for `?0`. Browsers send it
    /// over TLS alone.
    pub(crate) mobile: Option<At<bool>>,
    /// The client hint `Sec-CH-UA-Platform`: one of these, such as `Android`.
    pub(crate) platform: Option<At<Vec<At<String>>>>,
    /// Headers and their values; `*` in one stands for any characters, and case does not count.
    #[schemars(with = "Option<BTreeMap<String, String>>")]
    pub(crate) headers: Option<Pairs<String>>,
    /// Networks, one of which the client's address is in, such as `10.20.0.0/16`.
    pub(crate) networks: Option<At<Vec<At<String>>>>,
}

impl FromTable for RawWhen {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            user_agent: table.list("user_agent"),
            mobile: table.value("mobile"),
            platform: table.list("platform"),
            headers: table.pairs("headers"),
            networks: table.list("networks"),
        }
    }
}

/// What a role says of devices of one class, in place of its own limits.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawRoleDevice {
    /// The idle timeout on such a device. Default: the role's own.
    pub(crate) idle: Option<At<DurationText>>,
    /// The absolute timeout on such a device. Default: the role's own.
    pub(crate) absolute: Option<At<DurationText>>,
    /// Why it may be longer than the role's own, where it is. The class must then be known by its
    /// `networks`.
    pub(crate) because: Option<At<String>>,
}

impl FromTable for RawRoleDevice {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        Self {
            idle: table.value("idle"),
            absolute: table.value("absolute"),
            because: table.value("because"),
        }
    }
}
