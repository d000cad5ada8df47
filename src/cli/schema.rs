//! `curfew schema`: the JSON Schema of the configuration.

use std::io::Write;
use std::process::ExitCode;

use crate::config::schema::schema;

use super::told;

/// Prints the schema, as it is committed in `config/curfew.schema.json`.
pub(super) fn print() -> ExitCode {
    told(writeln!(anstream::stdout(), "{:#}", schema()))
}
