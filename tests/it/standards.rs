//! `curfew check --standard`, as CI runs it: the built binary and its exit status.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs `curfew check` on a policy that is written to a file of its own.
fn check(policy: &str, words: &[&str]) -> Output {
    let directory = tempfile::tempdir().expect("a test may write files");
    fs::write(directory.path().join("curfew.toml"), policy).expect("a test may write files");
    Command::new(env!("CARGO_BIN_EXE_curfew"))
        .arg("check")
        .args(words)
        .arg("curfew.toml")
        .current_dir(directory.path())
        .env_remove("CURFEW_CONFIG")
        .output()
        .expect("the binary was built")
}

fn minimal() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples/minimal.toml");
    fs::read_to_string(path).expect("the example is there")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn the_exit_status_tells_a_policy_that_holds_from_one_that_fails_and_one_that_is_bad() {
    let bad = minimal().replace("idle", "idel");
    let excepted = format!(
        "{}\n[[standards]]\nname = \"psd2-rts\"\n[[standards.exceptions]]\n\
         clause = \"4(3)(d)\"\nbecause = \"balances alone\"\n",
        minimal()
    );
    for (policy, standard, status) in [
        (&minimal(), "pci-dss-4", 0),
        (&minimal(), "psd2-rts", 3),
        (&excepted, "psd2-rts", 0),
        (&minimal(), "no-such-standard", 2),
        (&bad, "pci-dss-4", 78),
    ] {
        let output = check(policy, &["--standard", standard]);
        assert_eq!(output.status.code(), Some(status), "{standard}: {output:?}");
    }
}

#[test]
fn a_policy_that_names_its_standards_fails_by_itself() {
    let demanding = format!("{}\n[[standards]]\nname = \"psd2-rts\"\n", minimal());
    assert_eq!(check(&minimal(), &[]).status.code(), Some(0));
    let output = check(&demanding, &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(
        told(&output).contains("curfew.toml:7: buyer in procurement: 15m"),
        "{}",
        told(&output)
    );
}

#[test]
fn the_json_is_parsed_and_names_the_policy() {
    let output = check(
        &minimal(),
        &[
            "--standard",
            "disa-asd-stig",
            "--standard",
            "psd2-rts",
            "--format",
            "json",
        ],
    );
    assert_eq!(output.status.code(), Some(3));
    let proof: Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    assert_eq!(proof["file"], "curfew.toml");
    assert_eq!(proof["policy"].as_str().map(str::len), Some(8));
    assert_eq!(proof["holds"], false);
    let names: Vec<_> = [0, 1]
        .map(|at| proof["standards"][at]["name"].clone())
        .into();
    assert_eq!(names, ["disa-asd-stig", "psd2-rts"]);
    let finding = &proof["standards"][1]["clauses"][0]["findings"][0];
    assert_eq!(
        (&finding["session"], &finding["line"]),
        (&"buyer".into(), &7.into())
    );
}

#[test]
fn every_listed_standard_can_be_proven() {
    let list = Command::new(env!("CARGO_BIN_EXE_curfew"))
        .args(["check", "--standards"])
        .env("CURFEW_CONFIG", "curfew.toml")
        .output()
        .expect("the binary was built");
    assert_eq!(list.status.code(), Some(0));
    let list = told(&list);
    assert!(list.lines().count() >= 10, "{list}");
    for line in list.lines() {
        let name = line.split_whitespace().next().unwrap_or_default();
        let output = check(&minimal(), &["--standard", name, "--format", "markdown"]);
        let status = output.status.code();
        assert!(matches!(status, Some(0 | 3)), "{name}: {output:?}");
        assert!(told(&output).contains(&format!("`{name}`")), "{name}");
    }
}
