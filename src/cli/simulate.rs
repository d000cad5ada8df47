//! `curfew simulate`: recorded requests under a policy that is not in force.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, ValueHint};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::config::fault::Look;
use crate::config::load::load;
use crate::simulate::logs::{Log, Logs};
use crate::simulate::report::text;
use crate::simulate::tally::Tally;
use crate::simulate::{Options, simulate};

use super::explain::Format;
use super::{EXIT_CONFIG, failed, told};

/// What a log is called that comes from standard input.
const STDIN: &str = "-";

/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Bytes from which on a log is long enough to show how far it was read.
const LONG_FROM: u64 = 16 * 1024 * 1024;

/// Bytes after which the progress is drawn anew.
const DRAWN_EVERY: u64 = 1024 * 1024;

/// What is replayed, and under what.
#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// The policy that is tried
    #[arg(long, short, value_name = "NEW", value_hint = ValueHint::FilePath)]
    policy: PathBuf,
    /// Access logs, of rotations and of several gateways; `-` for standard input
    #[arg(long = "log", value_name = "FILE", required = true, num_args = 1.., value_hint = ValueHint::FilePath)]
    logs: Vec<String>,
    /// Who was active so soon after an end would have been cut at work
    #[arg(long, value_name = "SPAN", default_value = "5m", value_parser = humantime::parse_duration)]
    within: Duration,
    /// Write each end that the policy would have brought to this file, as a JSON line
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ends: Option<PathBuf>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Runs the command. What cannot be read is told on standard error, and does not fail.
pub(super) fn run(args: &SimulateArgs) -> ExitCode {
    let config = match load(&args.policy) {
        Ok(loaded) => loaded.config,
        Err(faults) => {
            anstream::eprint!("{}", faults.render(Look::Colour));
            return ExitCode::from(EXIT_CONFIG);
        }
    };
    let replayed = opened(&args.logs).and_then(|(logs, size)| {
        let bar = progress(size);
        let mut logs = Logs::open(logs)?;
        let mut ends = args
            .ends
            .as_ref()
            .map(File::create)
            .transpose()?
            .map(BufWriter::new);
        let mut written = Ok(());
        let mut drawn = 0;
        let on_end = |end: &_| {
            if let (Some(ends), Ok(())) = (&mut ends, &written) {
                written = serde_json::to_writer(&mut *ends, end)
                    .map_err(io::Error::from)
                    .and_then(|()| ends.write_all(b"\n"));
            }
        };
        let on_line = |bytes| {
            if bytes - drawn >= DRAWN_EVERY {
                drawn = bytes;
                bar.set_position(bytes);
            }
        };
        let options = Options {
            within: args.within,
        };
        let tally = simulate(&config, options, &mut logs, on_end, on_line)?;
        bar.finish_and_clear();
        written?;
        ends.as_mut().map_or(Ok(()), Write::flush)?;
        Ok(tally)
    });
    match replayed {
        Ok(tally) => print(&tally, args.format),
        Err(error) => failed(&error),
    }
}

/// The logs, and how many bytes they have together, where that is known.
fn opened(names: &[String]) -> io::Result<(Vec<Log<'static>>, Option<u64>)> {
    let mut size = Some(0);
    let mut logs = Vec::new();
    for name in names {
        let reader: Box<dyn BufRead> = if name == STDIN {
            size = None;
            Box::new(BufReader::with_capacity(BUFFER_BYTES, io::stdin()))
        } else {
            let named = |error: io::Error| io::Error::new(error.kind(), format!("{name}: {error}"));
            let file = File::open(name).map_err(named)?;
            let length = file.metadata().map_err(named)?.len();
            size = size.map(|size| size + length);
            Box::new(BufReader::with_capacity(BUFFER_BYTES, file))
        };
        let name = name.clone();
        logs.push(Log { name, reader });
    }
    Ok((logs, size))
}

/// How far a long log was read, for a terminal alone.
fn progress(size: Option<u64>) -> ProgressBar {
    let Some(size) = size.filter(|size| *size >= LONG_FROM && io::stderr().is_terminal()) else {
        return ProgressBar::hidden();
    };
    let bar = ProgressBar::with_draw_target(Some(size), ProgressDrawTarget::stderr());
    let shown = "{bar:40} {percent}% of {total_bytes}, {eta} left";
    match ProgressStyle::with_template(shown) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn print(tally: &Tally, format: Format) -> ExitCode {
    for what in &tally.broken.first {
        anstream::eprintln!("warning: {what}");
    }
    if tally.lines == 0 {
        return failed(&"there is no line of an access log");
    }
    let text = match format {
        Format::Text => text(tally),
        Format::Json => {
            let json = serde_json::to_string_pretty(tally);
            json.expect("texts and numbers serialize") + "\n"
        }
    };
    told(anstream::stdout().write_all(text.as_bytes()))
}
