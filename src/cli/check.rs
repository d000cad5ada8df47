//! `curfew check FILE`: every problem of a configuration, or the policy as it applies, and whether
//! it meets the standards that are named.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueHint, builder::PossibleValuesParser};

use crate::config::Config;
use crate::config::compliance::Demand;
use crate::config::fault::Look;
use crate::config::load::load;
use crate::config::table::tables;
use crate::prove::proof::Proof;
use crate::prove::prove;
use crate::prove::report::{Format, Subject, report as report_of};
use crate::standards;

use super::{EXIT_CONFIG, EXIT_UNPROVEN, failed, told};

/// What `curfew check` can be told.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Prove it against this standard, instead of those that it names itself
    #[arg(long = "standard", value_name = "NAME", value_parser = PossibleValuesParser::new(standards::names()))]
    named: Vec<String>,
    /// How the proof is written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// List the standards
    #[arg(long, conflicts_with_all = ["named", "format"])]
    standards: bool,
    /// The configuration
    #[arg(env = "CURFEW_CONFIG", default_value = "curfew.toml", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

/// Runs the command. Colour goes to terminals alone.
pub(super) fn check(args: &CheckArgs) -> ExitCode {
    let (mut out, mut err) = (anstream::stdout(), anstream::stderr());
    if args.standards {
        return told(out.write_all(list().as_bytes()));
    }
    match report(args, Look::Colour, &mut out, &mut err) {
        Ok(code) => code,
        // A reader that went away, such as `head`, has what it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Prints what is wrong with a file on `err`; where nothing is, its tables and proofs on `out`.
///
/// Warnings go to `err` as well, and do not fail.
fn report(
    args: &CheckArgs,
    look: Look,
    out: &mut dyn Write,
    err: &mut dyn Write,
) -> io::Result<ExitCode> {
    let loaded = match load(&args.file) {
        Ok(loaded) => loaded,
        Err(faults) => {
            err.write_all(faults.render(look).as_bytes())?;
            return Ok(ExitCode::from(EXIT_CONFIG));
        }
    };
    if !loaded.warnings.is_empty() {
        err.write_all(loaded.warnings.render(look).as_bytes())?;
    }
    let proofs = proofs(&loaded.config, &args.named);
    if proofs.is_empty() && args.format != Format::Text {
        let message = "no standard to prove: name one with --standard, or in [[standards]]";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
    }
    if args.named.is_empty() && args.format == Format::Text {
        out.write_all(tables(&loaded.config).as_bytes())?;
        if !proofs.is_empty() {
            out.write_all(b"\n")?;
        }
    }
    if !proofs.is_empty() {
        let subject = Subject {
            file: &args.file.display().to_string(),
            config: &loaded.config,
        };
        out.write_all(report_of(subject, &proofs, args.format).as_bytes())?;
    }
    Ok(match proofs.iter().all(Proof::holds) {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(EXIT_UNPROVEN),
    })
}

/// The proofs of the standards that are named; where none is, of those that the file names. Either
/// way with the apps and the exceptions that the file tells.
fn proofs(config: &Config, named: &[String]) -> Vec<Proof> {
    let demands = &config.compliance.demands;
    if named.is_empty() {
        return demands.iter().map(|demand| prove(config, demand)).collect();
    }
    let named = named.iter().filter_map(|name| standards::named(name));
    let proof = |standard: &'static standards::Standard| {
        let told = demands
            .iter()
            .find(|told| told.standard.name == standard.name);
        match told {
            Some(demand) => prove(config, demand),
            None => prove(config, &Demand::without_exceptions(standard)),
        }
    };
    named.map(proof).collect()
}

/// The standards, one a line.
fn list() -> String {
    let all = standards::all();
    let width = all.iter().map(|one| one.name.len()).max().unwrap_or(0);
    let lines = all
        .iter()
        .map(|one| format!("{:width$}  {}\n", one.name, one.about));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::process::ExitCode;

    use clap::Parser;

    use super::{CheckArgs, report};
    use crate::cli::{EXIT_CONFIG, EXIT_UNPROVEN};
    use crate::config::fault::Look;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: CheckArgs,
    }

    fn args<'a>(words: impl IntoIterator<Item = &'a str>) -> CheckArgs {
        Line::try_parse_from(["check"].into_iter().chain(words))
            .unwrap()
            .args
    }

    fn run(policy: &str) -> (ExitCode, String, String) {
        run_with(policy, &[])
    }

    /// The exit code, and what was printed on standard output and standard error.
    fn run_with(policy: &str, words: &[&str]) -> (ExitCode, String, String) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("curfew.toml");
        fs::write(&file, policy).unwrap();
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let path = file.to_str().unwrap();
        let args = args(words.iter().copied().chain([path]));
        let code = report(&args, Look::Plain, &mut out, &mut err).unwrap();
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
        let args = args(["nowhere/curfew.toml"]);
        let code = report(&args, Look::Plain, &mut out, &mut err).unwrap();
        assert_eq!(code, ExitCode::from(EXIT_CONFIG));
        let err = String::from_utf8(err).unwrap();
        assert!(
            err.contains("error[C001]: cannot read nowhere/curfew.toml"),
            "{err}"
        );
    }

    #[test]
    fn a_named_standard_is_proven_instead_of_the_tables() {
        let (code, out, err) = run_with(GOOD, &["--standard", "pci-dss-4"]);
        assert_eq!((code, err.as_str()), (ExitCode::SUCCESS, ""));
        assert!(out.starts_with("pci-dss-4: PCI DSS"), "{out}");
        assert!(!out.contains("| session  "), "{out}");
    }

    #[test]
    fn a_standard_that_is_not_met_exits_with_3() {
        let (code, out, _) = run_with(GOOD, &["--standard", "psd2-rts", "--standard", "pci-dss-4"]);
        assert_eq!(code, ExitCode::from(EXIT_UNPROVEN));
        assert!(out.contains("fails psd2-rts 4(3)(d)"), "{out}");
        assert!(out.contains("pci-dss-4: 1 pass"), "{out}");
    }

    #[test]
    fn a_policy_that_names_standards_is_proven_with_its_tables() {
        let demanding = format!("{GOOD}\n[[standards]]\nname = \"psd2-rts\"\n");
        let (code, out, _) = run(&demanding);
        assert_eq!(code, ExitCode::from(EXIT_UNPROVEN));
        assert!(out.contains("| session  "), "{out}");
        assert!(out.contains("fails psd2-rts 4(3)(d)"), "{out}");
    }

    #[test]
    fn a_program_and_an_auditor_get_the_proof_alone() {
        let (_, out, _) = run_with(GOOD, &["--standard", "pci-dss-4", "--format", "json"]);
        let told: serde_json::Value = serde_json::from_str(&out).unwrap();
        assert_eq!(told["standards"][0]["name"], "pci-dss-4");
        let (_, out, _) = run_with(GOOD, &["--standard", "pci-dss-4", "--format", "markdown"]);
        assert!(out.starts_with("# Proof of the policy"), "{out}");
    }

    #[test]
    fn a_format_without_a_standard_is_a_mistake() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("curfew.toml");
        fs::write(&file, GOOD).unwrap();
        let args = args(["--format", "json", file.to_str().unwrap()]);
        let told = report(&args, Look::Plain, &mut Vec::new(), &mut Vec::new());
        assert!(told.unwrap_err().to_string().contains("--standard"));
    }
}
