//! Proofs as people and programs read them. The same policy and standards give the same bytes:
//! nothing here knows what day it is.

use clap::ValueEnum;

use crate::config::Config;

use super::proof::Proof;
use super::{json, markdown, text};

/// How a proof is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For a terminal.
    Text,
    /// For a program.
    Json,
    /// For an auditor.
    Markdown,
}

/// Which policy was held against the standards.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// How its file was named.
    pub file: &'a str,
    /// The policy.
    pub config: &'a Config,
}

/// The proofs of one policy.
pub fn report(subject: Subject<'_>, proofs: &[Proof], format: Format) -> String {
    match format {
        Format::Text => text::report(subject.file, proofs),
        Format::Json => json::report(subject.file, subject.config, proofs),
        Format::Markdown => markdown::report(subject.file, subject.config, proofs),
    }
}
