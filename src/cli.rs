//! The command line: what can be said, and to whom it is passed on.

mod check;
mod demo;
mod diff;
mod explain;
mod schema;
mod serve;
mod sessions;
mod simulate;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueHint};
use clap_complete::Shell;

use crate::telemetry::build_info::BuildInfo;

/// A configuration that cannot be used (`EX_CONFIG` of sysexits.h).
const EXIT_CONFIG: u8 = 78;

/// A configuration that can be used and does not meet a standard.
const EXIT_UNPROVEN: u8 = 3;

/// Session timeouts for web applications that lack them.
#[derive(Debug, Parser)]
#[command(name = "curfew", version = BuildInfo::VERSION_LINE, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway
    Serve {
        /// The configuration
        #[arg(long, short, env = "CURFEW_CONFIG", default_value = "curfew.toml", value_hint = ValueHint::FilePath)]
        config: PathBuf,
    },
    /// Show every problem of a configuration, or what it means and what it proves
    Check(check::CheckArgs),
    /// Show which limits a session has at a request, and why
    Explain(explain::ExplainArgs),
    /// Show what an edit of a configuration changes
    Diff(diff::DiffArgs),
    /// Replay access logs under a policy: whom it would have cut, when, and at work
    Simulate(simulate::SimulateArgs),
    /// Print the JSON Schema from which editors complete a configuration
    Schema,
    /// Try it: a small procurement app behind the gateway, with limits of seconds
    Demo(demo::DemoArgs),
    /// Look after sessions through the admin listener
    Sessions {
        #[command(subcommand)]
        command: sessions::SessionsCommand,
    },
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Runs what the command line asks for.
pub fn run() -> ExitCode {
    match Cli::parse().command {
        Command::Serve { config } => serve::serve(&config),
        Command::Check(args) => check::check(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Simulate(args) => simulate::run(&args),
        Command::Schema => schema::print(),
        Command::Demo(args) => demo::demo(&args),
        Command::Sessions { command } => sessions::run(command),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "curfew", &mut script);
            told(io::stdout().write_all(&script))
        }
    }
}

/// What printing came to. A reader that went away, such as `head`, has what it wanted.
fn told(printed: io::Result<()>) -> ExitCode {
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

/// Says what went wrong, in one line.
fn failed(error: &dyn std::fmt::Display) -> ExitCode {
    anstream::eprintln!("error: {error}");
    ExitCode::FAILURE
}
