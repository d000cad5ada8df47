//! What the built program says of itself.

use std::process::{Command, Stdio};

use crate::harness::command::curfew;

/// The subcommands that a help lists.
fn listed(help: &str) -> Vec<String> {
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    commands
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

#[tokio::test]
async fn every_subcommand_helps() {
    let mut ways = vec![Vec::<String>::new()];
    let mut helped = Vec::new();
    while let Some(way) = ways.pop() {
        let mut arguments: Vec<&str> = way.iter().map(String::as_str).collect();
        arguments.push("--help");
        let said = curfew(&arguments, &[]).await;
        assert_eq!((said.code, &*said.err), (0, ""), "{way:?}");
        let usage = format!(
            "Usage: {}",
            [&["curfew"], &arguments[..way.len()]].concat().join(" ")
        );
        assert!(said.out.contains(&usage), "no {usage:?} in\n{}", said.out);
        for name in listed(&said.out) {
            ways.push([way.clone(), vec![name]].concat());
        }
        helped.push(way.join(" "));
    }
    helped.sort_unstable();
    let known = [
        "",
        "check",
        "completions",
        "demo",
        "diff",
        "explain",
        "schema",
        "serve",
        "sessions",
        "sessions explain",
        "sessions revoke",
        "simulate",
    ];
    assert_eq!(helped, known);
}

#[tokio::test]
async fn the_version_names_the_release_and_the_commit() {
    let said = curfew(&["--version"], &[]).await;
    assert_eq!((said.code, &*said.err), (0, ""));
    let release = concat!("curfew ", env!("CARGO_PKG_VERSION"), " (revision ");
    let revision = said.out.strip_prefix(release);
    let revision = revision.and_then(|rest| rest.strip_suffix(")\n"));
    let revision = revision.unwrap_or_else(|| panic!("{}", said.out));
    // Outside of a checkout nobody can tell whether it is the right one.
    if git(&["rev-parse", "HEAD"]) {
        assert_eq!(revision.len(), 12, "{revision}");
        assert!(git(&["cat-file", "-e", &format!("{revision}^{{commit}}")]));
    }
    let of_a_subcommand = curfew(&["sessions", "revoke", "--version"], &[]).await;
    assert!(of_a_subcommand.out.contains(revision));
}

/// Whether git, asked in the project, says yes.
fn git(arguments: &[&str]) -> bool {
    let mut command = Command::new("git");
    let asked = command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    let silent = asked.stdout(Stdio::null()).stderr(Stdio::null());
    silent.status().is_ok_and(|status| status.success())
}

#[tokio::test]
async fn completions_know_every_subcommand() {
    let help = curfew(&["--help"], &[]).await.out;
    for shell in ["bash", "zsh", "fish"] {
        let said = curfew(&["completions", shell], &[]).await;
        assert_eq!((said.code, &*said.err), (0, ""), "{shell}");
        for name in listed(&help) {
            assert!(said.out.contains(&name), "{shell} does not know {name}");
        }
    }
}

#[tokio::test]
async fn completions_are_a_script_that_bash_accepts() {
    let script = curfew(&["completions", "bash"], &[]).await.out;
    let file = tempfile::NamedTempFile::new().expect("a test may write files");
    std::fs::write(&file, script).expect("a test may write files");
    let read = Command::new("bash").arg("-n").arg(file.path()).output();
    let read = read.expect("bash is there");
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
}

#[tokio::test]
async fn an_unknown_subcommand_is_a_fault_of_whoever_typed_it() {
    let said = curfew(&["sesions"], &[]).await;
    assert_eq!((said.code, &*said.out), (2, ""));
    assert!(said.err.contains("sessions"), "{}", said.err);
}

#[tokio::test]
async fn a_log_is_replayed_from_its_file_and_what_cannot_be_tried_fails() {
    let folder = tempfile::tempdir().expect("a test may write files");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).expect("a test may write files");
        path.display().to_string()
    };
    let policy = file(
        "curfew.toml",
        "[[listeners]]\naddress = \"127.0.0.1:0\"\n[roles.buyer]\nidle = \"5m\"\nabsolute = \"1h\"\n\
         users = [\"b\"]\n[[apps]]\nname = \"orders\"\nupstreams = [\"http://127.0.0.1:1\"]\n\
         session = { id = \"cookie:SID\" }\n",
    );
    let bad = file("bad.toml", "[roles]\n");
    let log = file("access.log", "{\"at_ms\":1767254400000}\nnonsense\n");
    let empty = file("empty.log", "");
    for (policy, log, code, out, err) in [
        (
            &policy,
            &log,
            0,
            "1 lines could not be read",
            "access.log:2: ",
        ),
        (&policy, &empty, 1, "", "no line of an access log"),
        (&bad, &log, 78, "", "error"),
    ] {
        let said = curfew(&["simulate", "--policy", policy, "--log", log], &[]).await;
        assert_eq!(said.code, code, "{}", said.err);
        assert!(said.out.contains(out), "{}", said.out);
        assert!(said.err.contains(err), "{}", said.err);
    }
}
