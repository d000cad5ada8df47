//! Files of this repository, read as the gateway would read them.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::{any, proptest};
use proptest::sample::Index;

use super::{Loaded, load, parse};
use crate::config::fault::{Code, Fault, Faults, Look, Severity};
use crate::config::surroundings::Surroundings;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sample() -> String {
    fs::read_to_string(repository().join("config/curfew.toml")).unwrap()
}

/// Reads a text where every file and variable that it names holds a good secret.
fn parse_alone(text: &str) -> Result<Loaded, Faults> {
    let secret = "0123456789abcdef".repeat(4);
    let surroundings = Surroundings {
        base_dir: Path::new("/etc/curfew"),
        environment: &|_| Some(secret.clone()),
        read_file: &|_| Ok(secret.clone()),
        process_key: b"the key of this process",
    };
    parse(text, "curfew.toml", &surroundings)
}

/// What a configuration means, whatever file it came from and on which lines.
fn meaning(text: &str) -> String {
    let mut config = parse_alone(text).unwrap().config;
    config.lines = Default::default();
    config.policy.version = crate::domain::policy::PolicyVersion(0);
    format!("{config:#?}")
}

#[test]
fn every_example_is_a_configuration_without_a_warning() {
    let mut examples = 0;
    for entry in fs::read_dir(repository().join("config/examples")).unwrap() {
        let path = entry.unwrap().path();
        let loaded = load(&path).unwrap();
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
        examples += 1;
    }
    assert!(examples >= 5);
}

#[test]
fn the_smallest_example_is_short() {
    let path = repository().join("config/examples/minimal.toml");
    let lines = fs::read_to_string(path).unwrap().lines().count();
    assert!(lines < 30, "{lines} lines");
}

#[test]
fn the_annotated_sample_is_a_configuration_without_a_warning() {
    let loaded = load(&repository().join("config/curfew.toml")).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
}

#[test]
fn each_default_of_the_annotated_sample_is_what_holds_without_it() {
    let sample = sample();
    let whole = meaning(&sample);
    let mut defaults = 0;
    for line in sample.lines().filter(|line| line.ends_with("# default")) {
        let without = sample.replacen(&format!("{line}\n"), "", 1);
        assert_eq!(meaning(&without), whole, "{line}");
        defaults += 1;
    }
    assert!(defaults > 20, "{defaults}");
}

#[test]
fn what_the_annotated_sample_has_switched_off_could_be_switched_on() {
    let on: Vec<String> = sample().lines().map(switched_on).collect();
    let faults = parse_alone(&on.join("\n")).unwrap_err();
    // Some settings exclude each other; nothing else may be wrong with them.
    for fault in faults.iter() {
        assert_eq!(fault.code(), Code::Contradiction, "{faults}");
    }
}

/// `#key = ..` and `#[table]` without the `#`; other comments as they are.
fn switched_on(line: &str) -> String {
    match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '[') => rest,
        _ => line,
    }
    .to_owned()
}

#[test]
fn the_version_follows_the_bytes_of_the_file_alone() {
    let version = |text: &str| parse_alone(text).unwrap().config.policy.version;
    let sample = sample();
    // The first four bytes of its SHA-256, so that every build says the same.
    assert_eq!(super::version_of("abc"), 0xba78_16bf);
    assert_eq!(version(&sample), version(&sample.clone()));
    assert_ne!(version(&sample), version(&format!("{sample}\n")));
}

#[test]
fn without_keys_the_process_has_one_that_outlives_a_reload() {
    let sample = repository().join("config/examples/minimal.toml");
    let sid = || load(&sample).unwrap().config.keys.sid("n", "s", b"v");
    assert_eq!(sid(), sid());
}

#[test]
fn an_instant_may_be_a_date_time_or_a_string_with_any_offset() {
    let app = |told: &str| {
        let text = sample().replace("#adopt_until = 2026-12-01T00:00:00Z", told);
        parse_alone(&text).unwrap().config.apps[0].adopt_until
    };
    let first_of_december = 1_796_083_200_000;
    for told in [
        "adopt_until = 2026-12-01T00:00:00Z",
        "adopt_until = \"2026-12-01T00:00:00Z\"",
        "adopt_until = 2026-12-01T02:00:00+02:00",
        "adopt_until = 2026-11-30T18:30:00-05:30",
    ] {
        let millis = app(told).map(|at| at.as_millis());
        assert_eq!(millis, Some(first_of_december), "{told}");
    }
}

/// One line `# expect: LINE: CODE WORDS` of a bad file: what one fault must be.
struct Expected<'a> {
    line: usize,
    code: &'a str,
    words: &'a str,
}

fn expected(text: &str) -> Vec<Expected<'_>> {
    let lines = text
        .lines()
        .map_while(|line| line.strip_prefix("# expect: "));
    let split = |line: &'_ str| -> Option<(usize, usize)> {
        let colon = line.find(": ")?;
        Some((line[..colon].parse().ok()?, colon + 2))
    };
    lines
        .map(|line| {
            let (number, rest) = split(line).unwrap();
            let (code, words) = line[rest..].split_once(' ').unwrap();
            Expected {
                line: number,
                code,
                words,
            }
        })
        .collect()
}

fn told(fault: &Fault) -> String {
    format!("{}; {}", fault.title(), fault.remedy().unwrap_or_default())
}

#[test]
fn every_bad_file_gets_exactly_the_faults_it_expects() {
    let mut files = 0;
    let mut wrong = String::new();
    for path in bad_files() {
        files += 1;
        let text = fs::read_to_string(&path).unwrap();
        let expected = expected(&text);
        assert!(!expected.is_empty(), "{} expects nothing", path.display());
        let faults = faults_of(&path);
        let as_expected = |(fault, expected): (&Fault, &Expected<'_>)| {
            faults.line(fault) == expected.line
                && fault.code().to_string() == expected.code
                && told(fault).contains(expected.words)
        };
        let all = faults.iter().zip(&expected).all(as_expected);
        if !all || faults.iter().count() != expected.len() {
            wrong.push_str(&faults.render(Look::Plain));
        }
    }
    assert!(wrong.is_empty(), "other faults than expected:\n{wrong}");
    assert!(files >= 25, "{files} files");
}

fn bad_files() -> impl Iterator<Item = PathBuf> {
    let directory = repository().join("tests/fixtures/bad-config");
    let paths = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    paths.filter(|path| {
        path.extension()
            .is_some_and(|extension| extension == "toml")
    })
}

/// What is wrong with a file; warnings alone where it can be used.
fn faults_of(path: &Path) -> Faults {
    match load(path) {
        Ok(loaded) => loaded.warnings,
        Err(faults) => {
            assert_ne!(faults.count(Severity::Error), 0, "{faults}");
            faults
        }
    }
}

#[test]
fn every_fault_says_what_to_write_and_every_code_has_a_bad_file() {
    let mut seen = vec![Code::Unreadable];
    for path in bad_files() {
        let faults = faults_of(&path);
        for fault in faults.iter() {
            seen.push(fault.code());
            let says = fault.remedy().is_some() || fault.code() == Code::Syntax;
            assert!(says, "{faults}");
        }
    }
    for code in Code::ALL {
        assert!(seen.contains(&code), "no bad file for {code} {code:?}");
    }
}

#[test]
fn a_usual_policy_is_a_configuration() {
    let loaded = parse_alone(USUAL).unwrap();
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.config.policy.roles.len(), 2);
}

const USUAL: &str = include_str!("../../../tests/fixtures/usual.toml");

/// Whatever a text is, it is read and its faults are shown.
fn survives(text: &str) {
    if let Err(faults) = parse_alone(text) {
        assert!(faults.count(Severity::Error) > 0);
        assert!(faults.render(Look::Colour).contains("error"));
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in r#"[ -~\n\t\r\u{0}\u{1b}äß€𝄞\u{200b}]{0,200}"#) {
        survives(&text);
    }

    #[test]
    fn no_mangled_policy_makes_it_panic(
        from in any::<Index>(),
        cut in 0..40_usize,
        put in r#"[\[\]{}="'#.,a-c0-9\n \u{1b}ä€]{0,12}"#,
    ) {
        let sample: Vec<char> = sample().chars().collect();
        let from = from.index(sample.len());
        let to = (from + cut).min(sample.len());
        let mangled: String = sample[..from].iter().copied()
            .chain(put.chars())
            .chain(sample[to..].iter().copied())
            .collect();
        survives(&mangled);
    }
}
