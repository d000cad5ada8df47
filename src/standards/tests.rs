//! The data is sound, and `docs/standards.md` tells it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{Standard, Test, Who, all};
use crate::domain::limits::LimitKind;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn every_file_is_embedded_under_its_name() {
    let embedded: BTreeSet<String> = all().iter().map(|one| one.name.clone()).collect();
    assert_eq!(embedded.len(), all().len());
    let files = fs::read_dir(repository().join("src/standards")).unwrap();
    let files: BTreeSet<String> = files
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".toml").map(str::to_owned))
        .collect();
    assert_eq!(embedded, files);
}

#[test]
fn every_clause_has_a_number_of_its_own_and_a_source() {
    for standard in all() {
        assert!(standard.url.starts_with("https://"), "{}", standard.name);
        assert!(standard.about.ends_with('.'), "{}", standard.name);
        let ids: BTreeSet<&str> = standard.clauses.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(ids.len(), standard.clauses.len(), "{}", standard.name);
        for clause in &standard.clauses {
            assert!(!clause.id.contains(char::is_whitespace), "{}", clause.id);
            assert!(clause.asks.ends_with('.'), "{}", clause.id);
        }
    }
}

#[test]
fn an_unknown_key_or_kind_is_refused() {
    let good = "name=\"n\"\ntitle=\"t\"\nabout=\"a.\"\nurl=\"u\"\n[[clauses]]\nid=\"1\"\nasks=\"a.\"\nforce=\"shall\"\n";
    let parses = |test: &str| toml::from_str::<Standard>(&format!("{good}test = {test}\n")).is_ok();
    assert!(parses("{ kind = \"idle\", at_most = \"15m\" }"));
    assert!(parses("{ kind = \"logout\" }"));
    assert!(!parses("{ kind = \"idle\", atmost = \"15m\" }"));
    assert!(!parses("{ kind = \"idle\", at_most = \"15\" }"));
    assert!(!parses("{ kind = \"idel\" }"));
    assert!(!parses("{ kind = \"not_judged\" }"));
}

/// The numbers, as their sources have them; whoever changes one changes it twice.
#[test]
fn the_numbers_are_those_of_the_sources() {
    let (idle, absolute) = (LimitKind::Idle, LimitKind::Absolute);
    let expected = [
        ("pci-dss-4", "8.2.8", idle, 15, Who::Everybody),
        (
            "nist-800-63b-3-aal2",
            "4.2.3-overall",
            absolute,
            720,
            Who::Everybody,
        ),
        (
            "nist-800-63b-3-aal2",
            "4.2.3-inactivity",
            idle,
            30,
            Who::Everybody,
        ),
        (
            "nist-800-63b-3-aal3",
            "4.3.3-overall",
            absolute,
            720,
            Who::Everybody,
        ),
        (
            "nist-800-63b-3-aal3",
            "4.3.3-inactivity",
            idle,
            15,
            Who::Everybody,
        ),
        (
            "nist-800-63b-4-aal2",
            "2.2.3-overall",
            absolute,
            1440,
            Who::Everybody,
        ),
        (
            "nist-800-63b-4-aal2",
            "2.2.3-inactivity",
            idle,
            60,
            Who::Everybody,
        ),
        (
            "nist-800-63b-4-aal3",
            "2.3.3-overall",
            absolute,
            720,
            Who::Everybody,
        ),
        (
            "nist-800-63b-4-aal3",
            "2.3.3-inactivity",
            idle,
            15,
            Who::Everybody,
        ),
        ("disa-asd-stig", "V-222389", idle, 15, Who::Unprivileged),
        ("disa-asd-stig", "V-222390", idle, 10, Who::Privileged),
        ("psd2-rts", "4(3)(d)", idle, 5, Who::Everybody),
        ("fedramp", "AC-11(a)", idle, 15, Who::Everybody),
        ("fedramp", "IA-11", absolute, 720, Who::Everybody),
    ];
    let mut found = Vec::new();
    for standard in all() {
        for clause in &standard.clauses {
            if let Some((kind, timeout)) = clause.test.timeout()
                && let Some(at_most) = timeout.at_most
            {
                let name = (standard.name.as_str(), clause.id.as_str());
                found.push((name.0, name.1, kind, at_most, timeout.who));
            }
        }
    }
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    let expected = expected.map(|(name, id, kind, most, who)| (name, id, kind, minutes(most), who));
    assert_eq!(found, expected);
}

/// What `docs/standards.md` says of a standard.
fn section(standard: &Standard) -> String {
    let mut text = format!(
        "### `{}`\n\n{}: <{}>. {}\n\n| clause | asks | | looked at |\n| --- | --- | --- | --- |\n",
        standard.name, standard.title, standard.url, standard.about
    );
    for clause in &standard.clauses {
        let note = clause.note.as_ref();
        let note = note.map_or(String::new(), |note| format!(" *{note}*"));
        text.push_str(&format!(
            "| `{}` | {}{note} | {} | {} |\n",
            clause.id,
            clause.asks,
            clause.force.word(),
            looked_at(&clause.test)
        ));
    }
    text
}

fn looked_at(test: &Test) -> String {
    match test {
        Test::NotJudged(why) => format!("not judged: {}", why.reason),
        test => test.to_string(),
    }
}

#[test]
fn the_documentation_tells_every_clause_and_no_other() {
    const BEGINS: &str = "## The clauses\n\n";
    let path = repository().join("docs/standards.md");
    let docs = fs::read_to_string(&path).unwrap();
    let (before, told) = docs.split_once(BEGINS).unwrap();
    let sections: Vec<String> = all().iter().map(section).collect();
    let current = sections.join("\n");
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, format!("{before}{BEGINS}{current}")).unwrap();
        return;
    }
    assert!(
        told == current,
        "run this test with BLESS=1, and read the difference"
    );
}
