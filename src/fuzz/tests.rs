//! The corpora, replayed: what a fuzzer found once stays fixed.

use std::collections::BTreeSet;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use super::{CHECKS, Check};

/// Bytes of a seed, at most: a person shall be able to read it.
const SEED_BYTES_MAX: usize = 4096;

/// Seeds of one corpus, at most: each shall say something of its own.
const SEEDS_MAX: usize = 60;

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

fn names_in(directory: &Path) -> BTreeSet<String> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.collect()
}

fn checks() -> BTreeSet<String> {
    CHECKS.iter().map(|(name, _)| (*name).to_owned()).collect()
}

/// What breaks in one corpus.
fn broken(name: &str, check: Check) -> Vec<String> {
    let corpus = here().join("corpus").join(name);
    let seeds = names_in(&corpus);
    let mut broken = Vec::new();
    if seeds.is_empty() || seeds.len() > SEEDS_MAX {
        broken.push(format!("{name} has {} seeds", seeds.len()));
    }
    for seed in seeds {
        let bytes = fs::read(corpus.join(&seed)).unwrap();
        if bytes.len() > SEED_BYTES_MAX {
            broken.push(format!("{name}/{seed} has {} bytes", bytes.len()));
        }
        if catch_unwind(|| check(&bytes)).is_err() {
            broken.push(format!("{name}/{seed} breaks a promise"));
        }
    }
    broken
}

#[test]
fn no_seed_of_any_corpus_breaks_a_promise() {
    let broken: Vec<String> = CHECKS
        .iter()
        .flat_map(|(name, check)| broken(name, *check))
        .collect();
    assert!(broken.is_empty(), "\n{}\n", broken.join("\n"));
}

#[test]
fn every_check_has_a_corpus_and_a_target_of_its_name() {
    assert_eq!(names_in(&here().join("corpus")), checks());
    let manifest = fs::read_to_string(here().join("Cargo.toml")).unwrap();
    let files = names_in(&here().join("targets"));
    let targets: BTreeSet<String> = files
        .iter()
        .map(|file| file.trim_end_matches(".rs").to_owned())
        .collect();
    assert_eq!(targets, checks());
    for (name, _) in CHECKS {
        let target = fs::read_to_string(here().join(format!("targets/{name}.rs"))).unwrap();
        assert!(target.contains(&format!("curfew::fuzz::{name}(")), "{name}");
        assert!(
            manifest.contains(&format!("path = \"targets/{name}.rs\"")),
            "{name}"
        );
    }
}
