//! The operator's log, on standard error: text on a terminal, elsewhere one JSON object a line.
//!
//! Standard output is kept for records. ERROR means that a person must act; what happens at every
//! request is DEBUG.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// The variable that says what is logged, such as `warn,curfew::sweeper=debug`.
pub const LOG_VARIABLE: &str = "CURFEW_LOG";

/// What is logged where nobody says otherwise.
const LOG_DEFAULT: &str = "info";

/// Why there is no log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter cannot be read.
    #[error("{LOG_VARIABLE} is no log filter: {0}")]
    Filter(#[from] ParseError),
    /// Another log was set up before.
    #[error("a log is set up already: {0}")]
    Taken(#[from] TryInitError),
}

/// Sets the log up, as the environment asks for it; to be called once, at the start.
pub fn init() -> Result<(), LogError> {
    let asked = std::env::var(LOG_VARIABLE).unwrap_or_default();
    let filter = filter(&asked)?;
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    if io::stderr().is_terminal() {
        log.compact().finish().try_init()?;
    } else {
        log.json().flatten_event(true).finish().try_init()?;
    }
    Ok(())
}

fn filter(asked: &str) -> Result<EnvFilter, ParseError> {
    let directives = if asked.trim().is_empty() {
        LOG_DEFAULT
    } else {
        asked
    };
    EnvFilter::builder().parse(directives)
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn nothing_asked_for_is_info_and_nonsense_is_an_error() {
        assert_eq!(filter(" ").unwrap().to_string(), "info");
        assert_eq!(filter("warn").unwrap().to_string(), "warn");
        assert!(filter("curfew=loud").is_err());
    }
}
