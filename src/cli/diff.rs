//! `curfew diff OLD NEW`: what an edit changes, before it counts.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueHint};
use comfy_table::Table;
use comfy_table::presets::ASCII_FULL_CONDENSED;

use crate::config::Config;
use crate::config::diff::{Change, Diff, diff};
use crate::config::fault::{Faults, Look};
use crate::config::load::load;

use super::explain::Format;
use super::{EXIT_CONFIG, told};

/// Which files are compared.
#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// The configuration as it is
    #[arg(value_hint = ValueHint::FilePath)]
    old: PathBuf,
    /// The configuration as it shall be
    #[arg(value_hint = ValueHint::FilePath)]
    new: PathBuf,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command.
pub(super) fn run(args: &DiffArgs) -> ExitCode {
    let [old, new] = [&args.old, &args.new].map(|file| load(file).map(|loaded| loaded.config));
    match (old, new) {
        (Ok(old), Ok(new)) => {
            let diff = diff(&old, &new);
            told(print(&diff, &old, &new, args, &mut anstream::stdout()))
        }
        (old, new) => {
            let show = |faults: Faults| anstream::eprint!("{}", faults.render(Look::Colour));
            old.map_or_else(show, drop);
            new.map_or_else(show, drop);
            ExitCode::from(EXIT_CONFIG)
        }
    }
}

fn print(
    diff: &Diff,
    old: &Config,
    new: &Config,
    args: &DiffArgs,
    out: &mut dyn Write,
) -> io::Result<()> {
    if args.format == Format::Json {
        let text = serde_json::to_string_pretty(diff).map_err(io::Error::other)?;
        return writeln!(out, "{text}");
    }
    let (before, after) = (old.policy.version, new.policy.version);
    writeln!(out, "policy {before} -> {after}")?;
    if diff.is_empty() {
        return writeln!(out, "nothing changes");
    }
    let mut table = Table::new();
    table.load_style(ASCII_FULL_CONDENSED);
    table.set_header(["setting", "before", "after", "written"]);
    for change in &diff.changes {
        table.add_row(row(change, &args.new));
    }
    writeln!(out, "{table}")?;
    if diff.left_out > 0 {
        writeln!(out, "and {} more", diff.left_out)?;
    }
    if diff.changes.iter().any(|change| change.at_a_start) {
        writeln!(out, "(*) taken up at a start alone")?;
    }
    Ok(())
}

fn row(change: &Change, file: &Path) -> [String; 4] {
    let mark = if change.at_a_start { " (*)" } else { "" };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let line = |line| format!("{}:{line}", file.display());
    [
        format!("{}{mark}", change.key),
        text(&change.before),
        text(&change.after),
        change.line.map_or(String::new(), line),
    ]
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::{DiffArgs, print};
    use crate::cli::explain::Format;
    use crate::config::diff::diff;
    use crate::config::load::parse_alone;

    const POLICY: &str = include_str!("../../config/examples/minimal.toml");

    fn shown(edited: &str, format: Format) -> String {
        let config = |text| parse_alone(text, "new.toml").unwrap().config;
        let (old, new) = (config(POLICY), config(edited));
        let args = DiffArgs {
            old: PathBuf::from("old.toml"),
            new: PathBuf::from("new.toml"),
            format,
        };
        let mut out = Vec::new();
        print(&diff(&old, &new), &old, &new, &args, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_change_is_a_row_with_the_line_of_the_new_file() {
        let edited = POLICY
            .replace("\"15m\"", "\"5m\"")
            .replace(":8080", ":8089");
        let text = shown(&edited, Format::Text);
        let rows: Vec<String> = text
            .lines()
            .map(|line| line.replace([' ', '|'], ""))
            .collect();
        assert!(
            rows.contains(&"roles.buyer.idle15m5mnew.toml:7".to_owned()),
            "{text}"
        );
        assert!(text.ends_with("(*) taken up at a start alone\n"), "{text}");
        let json = shown(&edited, Format::Json);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["changes"][0]["after"], "5m");
    }

    #[test]
    fn an_edit_of_a_comment_changes_nothing_but_the_version() {
        let text = shown(&format!("# why\n{POLICY}"), Format::Text);
        assert!(text.ends_with("\nnothing changes\n"), "{text}");
    }
}
