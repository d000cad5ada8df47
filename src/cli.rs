//! The command line: what can be said, and to whom it is passed on.

pub mod check;
pub mod schema;

use std::process::ExitCode;

/// A configuration that cannot be used (`EX_CONFIG` of sysexits.h).
pub const EXIT_CONFIG: u8 = 78;

/// Says what went wrong, in one line.
fn failed(error: &dyn std::fmt::Display) -> ExitCode {
    anstream::eprintln!("error: {error}");
    ExitCode::FAILURE
}
