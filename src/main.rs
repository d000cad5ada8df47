//! The `curfew` binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    curfew::cli::run()
}
