//! The files under `deploy/` hold what they promise, as the tools that will read them judge.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The exposure that `systemd-analyze security` may find, in tenths: 15 is 1.5 of 10.
const EXPOSURE_TENTHS_MAX: &str = "15";

fn deploy(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(path)
}

/// Runs a tool, and fails with what it printed where the tool is not content.
#[track_caller]
fn check(command: &mut Command, package: &str) -> Output {
    let tool = command.get_program().to_string_lossy().into_owned();
    let output = command.output().unwrap_or_else(|error| {
        panic!("{tool} does not start: {error}: install Debian's {package}, or run tests/run")
    });
    assert!(
        output.status.success(),
        "{tool} is not content:\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

#[test]
fn the_alert_rules_are_well_formed() {
    check(
        Command::new("promtool")
            .args(["check", "rules", "--lint=all", "--lint-fatal"])
            .arg(deploy("prometheus/curfew.rules.yml")),
        "prometheus",
    );
}

#[test]
fn each_alert_is_raised_by_its_cause_and_by_nothing_near_it() {
    check(
        Command::new("promtool")
            .args(["test", "rules"])
            .arg(deploy("prometheus/curfew.rules.test.yml"))
            .arg(deploy("prometheus/curfew.rules.days.test.yml")),
        "prometheus",
    );
}

#[test]
fn systemd_understands_every_line_of_the_unit() {
    let unit = std::fs::read_to_string(deploy("systemd/curfew.service")).expect("the unit exists");
    // systemd wants the program to be there; where the tests run it is not installed.
    let installed = unit.replace("ExecStart=/usr/bin/curfew ", "ExecStart=/bin/true ");
    assert_ne!(unit, installed, "the unit starts /usr/bin/curfew");
    let folder = tempfile::tempdir().expect("the temporary directory is writable");
    let copy = folder.path().join("curfew.service");
    std::fs::write(&copy, installed).expect("the directory is new");

    let output = check(
        Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .arg(&copy),
        "systemd",
    );
    // An unknown key is only a warning to systemd, and would harden nothing.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn the_unit_leaves_little_exposed() {
    check(
        Command::new("systemd-analyze")
            .args(["security", "--offline=true", "--no-pager"])
            .arg(format!("--threshold={EXPOSURE_TENTHS_MAX}"))
            .arg(deploy("systemd/curfew.service")),
        "systemd",
    );
}
