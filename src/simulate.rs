//! `simulate`: recorded requests under another policy. Who would have been cut, when, and at work?
//!
//! It judges nothing itself: `routing` finds the route of each request as far as the log tells it,
//! `domain` decides, and what it would have written is kept in bounded memory. What the policy says
//! of access and logins is not tried: who was served is taken for served.

mod life;
pub mod line;
pub mod logs;
mod replay;
pub mod report;
pub mod tally;

use std::io;
use std::time::Duration;

use crate::config::Config;

use logs::Logs;
use replay::Replay;
use tally::{Predicted, Tally};

/// What a simulation is told besides the policy.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Whoever was active so soon after an end would have been cut at work.
    pub within: Duration,
}

/// Replays logs under a policy. `on_end` hears of each end that it would have brought, in their
/// order; `on_line` how many bytes were read.
///
/// # Errors
/// When a log cannot be read.
pub fn simulate(
    config: &Config,
    options: Options,
    logs: &mut Logs<'_>,
    mut on_end: impl FnMut(&Predicted),
    mut on_line: impl FnMut(u64),
) -> io::Result<Tally> {
    let mut replay = Replay::under(config, options);
    while let Some(line) = logs.next()? {
        replay.take(&line, &mut on_end);
        on_line(logs.bytes());
    }
    let mut tally = replay.finish(&mut on_end);
    tally.broken = logs.broken().clone();
    tally.late = logs.late();
    Ok(tally)
}

#[cfg(test)]
mod tests;
