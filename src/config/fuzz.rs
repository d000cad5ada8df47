//! A check of configuration files: any text is a policy, or every problem has a place in it.

use std::path::Path;

use super::fault::{Faults, Look, Severity};
use super::load::parse;
use super::surroundings::Surroundings;
use super::table::tables;

/// A file, where every other file and variable that it names holds a good secret.
pub fn config(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let secret = "0123456789abcdef".repeat(4);
    let surroundings = Surroundings {
        base_dir: Path::new("/etc/curfew"),
        environment: &|_| Some(secret.clone()),
        read_file: &|_| Ok(secret.clone()),
        process_key: b"the key of this process",
    };
    match parse(text, "curfew.toml", &surroundings) {
        Ok(loaded) => {
            assert_eq!(loaded.warnings.count(Severity::Error), 0);
            are_told(&loaded.warnings, text);
            assert!(tables(&loaded.config).starts_with("policy "));
            assert!(
                !format!("{:?}", loaded.config).contains(&secret),
                "a secret is shown"
            );
        }
        Err(faults) => {
            assert!(faults.count(Severity::Error) > 0);
            are_told(&faults, text);
        }
    }
}

/// Each has a line of the file, and none of them speaks to the terminal.
fn are_told(faults: &Faults, text: &str) {
    let lines = text.lines().count().max(1) + 1;
    for fault in faults.iter() {
        assert!((1..=lines).contains(&faults.line(fault)), "{faults}");
        assert!(!fault.title().is_empty());
    }
    let shown = faults.render(Look::Plain);
    let speaks = |c: char| c.is_control() && c != '\n';
    assert!(!shown.contains(speaks), "{shown:?}");
    assert!(faults.is_empty() || faults.render(Look::Colour).contains(&faults.summary()));
}
