//! Tells the program which revision and which compiler it was built from.

use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=.git/HEAD");
    println!("cargo::rerun-if-changed=.git/refs/heads");
    println!("cargo::rerun-if-env-changed=CURFEW_REVISION");
    // A package that is built outside of a checkout may say what it was built from.
    let revision = std::env::var("CURFEW_REVISION").ok();
    let revision = revision.or_else(|| said_by("git", &["rev-parse", "--short=12", "HEAD"]));
    let rustc = std::env::var("RUSTC")
        .ok()
        .and_then(|rustc| said_by(&rustc, &["--version"]));
    println!(
        "cargo::rustc-env=CURFEW_REVISION={}",
        revision.as_deref().unwrap_or("unknown")
    );
    println!(
        "cargo::rustc-env=CURFEW_RUSTC={}",
        rustc.as_deref().unwrap_or("unknown")
    );
}

fn said_by(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    let said = said.trim();
    (output.status.success() && !said.is_empty()).then(|| said.to_owned())
}
