//! From a file to a configuration, or to everything that is wrong with it.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use toml::de::DeTable;

use crate::domain::policy::PolicyVersion;

use super::Config;
use super::check::{Checker, version_of};
use super::fault::{Code, Fault, Faults, Findings, Place, Severity};
use super::reader::TableReader;
use super::surroundings::Surroundings;

/// Bytes of a configuration, or of a file it names, at most: far above any that a person writes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A configuration that can be used, and what is hardly meant in it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Warnings alone.
    pub warnings: Faults,
}

/// Reads the configuration from a file, and the files and variables that it names.
pub fn load(path: &Path) -> Result<Loaded, Faults> {
    let name = path.display().to_string();
    let unreadable = |message: String| {
        let findings = Findings::default();
        let place = Place {
            key: String::new(),
            span: 0..0,
        };
        let fault = Fault::error(Code::Unreadable, &place, message);
        findings.push(fault.help("name a file that this user may read"));
        findings.into_faults(&name, "")
    };
    let text =
        read_bounded(path).map_err(|error| unreadable(format!("cannot read {name}: {error}")))?;
    let key = process_key().map_err(|error| unreadable(format!("no randomness: {error}")))?;
    let surroundings = Surroundings {
        base_dir: path.parent().unwrap_or(Path::new("")),
        environment: &|name| std::env::var(name).ok(),
        read_file: &read_bounded,
        process_key: key,
    };
    parse(&text, &name, &surroundings)
}

/// Reads a configuration that names neither files nor variables.
pub fn parse_alone(text: &str, name: &str) -> Result<Loaded, Faults> {
    let surroundings = Surroundings {
        base_dir: Path::new(""),
        environment: &|_| None,
        read_file: &|_| Err(io::ErrorKind::NotFound.into()),
        process_key: process_key().unwrap_or_default(),
    };
    parse(text, name, &surroundings)
}

/// Reads the configuration from a text; `name` is what faults call its file.
pub fn parse(text: &str, name: &str, surroundings: &Surroundings<'_>) -> Result<Loaded, Faults> {
    let findings = Findings::default();
    let (root, errors) = DeTable::parse_recoverable(text);
    let raw = TableReader::read_root(&root, &findings);
    if let Some(first) = errors
        .iter()
        .filter_map(|error| error.span())
        .map(|span| span.start)
        .min()
    {
        // What stands behind may have been taken for something else, and what misses be there.
        findings.retain(|code, span| code != Code::MissingKey && span.end <= first);
    }
    if !errors.is_empty() {
        errors.iter().for_each(|error| findings.push(syntax(error)));
        return Err(findings.into_faults(name, text));
    }
    let checker = Checker {
        findings: &findings,
        surroundings,
        text,
        version: PolicyVersion(version_of(text)),
    };
    let config = checker.config(&raw);
    let faults = findings.into_faults(name, text);
    match config {
        Some(config) if faults.count(Severity::Error) == 0 => Ok(Loaded {
            config,
            warnings: faults,
        }),
        _ => Err(faults),
    }
}

fn syntax(error: &toml::de::Error) -> Fault {
    let place = Place {
        key: String::new(),
        span: error.span().unwrap_or(0..0),
    };
    Fault::error(Code::Syntax, &place, error.message())
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let mut file = File::open(path)?.take(FILE_BYTES_MAX + 1);
    file.read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let message = format!("larger than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

/// The key of this process. One for its whole life: with another one after a reload, every
/// session that it holds in memory would be unknown.
fn process_key() -> Result<&'static [u8], aws_lc_rs::error::Unspecified> {
    static KEY: OnceLock<[u8; 32]> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key);
    }
    let mut key = [0; 32];
    SystemRandom::new().fill(&mut key)?;
    Ok(KEY.get_or_init(|| key))
}

#[cfg(test)]
mod tests;
