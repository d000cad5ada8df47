//! The raw form of the standards that a policy is to meet.

use schemars::JsonSchema;

use crate::config::fault::At;
use crate::config::reader::{FromTable, TableReader};
use crate::standards;

/// A standard that `curfew check` proves the policy against.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawStandard {
    /// Its name; `curfew check --standards` lists them.
    #[schemars(required, extend("enum" = standards::names()))]
    pub(crate) name: Option<At<String>>,
    /// The apps that it is about. Default: all.
    #[schemars(length(min = 1))]
    pub(crate) apps: Option<At<Vec<At<String>>>>,
    /// Where the policy deviates from it, and why.
    #[schemars(default)]
    pub(crate) exceptions: Vec<At<RawException>>,
}

impl FromTable for RawStandard {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        table.needs("name", r#"name = "pci-dss-4""#);
        Self {
            name: table.value("name"),
            apps: table.list("apps"),
            exceptions: table.tables("exceptions"),
        }
    }
}

/// Where the policy deviates from a standard, and why.
#[derive(Debug, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RawException {
    /// The clause, as `curfew check --standard` names it.
    #[schemars(required)]
    pub(crate) clause: Option<At<String>>,
    /// The roles for which it is not met. Default: everybody.
    #[schemars(length(min = 1))]
    pub(crate) roles: Option<At<Vec<At<String>>>>,
    /// The apps where it is not met. Default: all.
    #[schemars(length(min = 1))]
    pub(crate) apps: Option<At<Vec<At<String>>>>,
    /// Why, for whoever reads the proof.
    #[schemars(required)]
    pub(crate) because: Option<At<String>>,
}

impl FromTable for RawException {
    fn from_table(table: &mut TableReader<'_>) -> Self {
        table.needs("clause", r#"clause = "8.2.8""#);
        table.needs("because", r#"because = "what protects it instead""#);
        Self {
            clause: table.value("clause"),
            roles: table.list("roles"),
            apps: table.list("apps"),
            because: table.value("because"),
        }
    }
}
