//! `curfew check FILE`: every problem of a configuration, or the policy as it applies.

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use crate::config::fault::Look;
use crate::config::load::load;
use crate::config::table::tables;

use super::{EXIT_CONFIG, failed};

/// Runs the command. Colour goes to terminals alone.
pub(super) fn check(file: &Path) -> ExitCode {
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    match report(file, Look::Colour, &mut out, &mut err) {
        Ok(code) => code,
        // A reader that went away, such as `head`, has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Prints what is wrong with a file on `err`; where nothing is, its tables on `out`.
///
/// Warnings go to `err` as well, and do not fail.
fn report(
    file: &Path,
    look: Look,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    match load(file) {
        Ok(loaded) => {
            if !loaded.warnings.is_empty() {
                err.write_all(loaded.warnings.render(look).as_bytes())?;
            }
            out.write_all(tables(&loaded.config).as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(faults) => {
            err.write_all(faults.render(look).as_bytes())?;
            Ok(ExitCode::from(EXIT_CONFIG))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::ExitCode;

    use super::report;
    use crate::cli::EXIT_CONFIG;
    use crate::config::fault::Look;

    /// The exit code, and what was printed on standard output and standard error.
    fn run(policy: &str) -> (ExitCode, String, String) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("curfew.toml");
        fs::write(&file, policy).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let code = report(&file, Look::Plain, &mut out, &mut err).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (code, text(out), text(err))
    }

    const GOOD: &str = include_str!("../../config/examples/minimal.toml");

    #[test]
    fn a_good_file_prints_its_tables_and_exits_with_zero() {
        let (code, out, err) = run(GOOD);
        assert_eq!((code, err.as_str()), (ExitCode::SUCCESS, ""));
        assert!(out.contains("role buyer"), "{out}");
    }

    #[test]
    fn a_warning_is_printed_and_does_not_fail() {
        let users = "users = [\"buyer-1\", \"buyer-2\"]\n";
        let (code, out, err) = run(&GOOD.replace(users, ""));
        assert_eq!(code, ExitCode::SUCCESS);
        assert!(
            err.contains("warning[C011]: roles.buyer: nobody can hold"),
            "{err}"
        );
        assert!(out.contains("role buyer"), "{out}");
    }

    #[test]
    fn a_bad_file_prints_every_problem_and_exits_with_78() {
        let bad = GOOD.replace("idle", "idel").replace("\"8h\"", "8");
        let (code, out, err) = run(&bad);
        assert_eq!((code, out.as_str()), (ExitCode::from(EXIT_CONFIG), ""));
        for said in [
            "curfew.toml:8:1",
            "write `idle`",
            "write \"8m\" or \"8s\"",
            "2 problems",
        ] {
            assert!(err.contains(said), "no {said:?} in\n{err}");
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_a_problem_of_its_own() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let file = std::path::Path::new("nowhere/curfew.toml");
        let code = report(file, Look::Plain, &mut out, &mut err).unwrap();
        assert_eq!(code, ExitCode::from(EXIT_CONFIG));
        let err = String::from_utf8(err).unwrap();
        assert!(
            err.contains("error[C001]: cannot read nowhere/curfew.toml"),
            "{err}"
        );
    }
}
