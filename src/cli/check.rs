//! `curfew check`.
use std::path::Path;
use std::process::ExitCode;
pub(super) fn check(_file: &Path) -> ExitCode {
    ExitCode::SUCCESS
}
