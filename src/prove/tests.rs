//! Each clause is failed by a policy made to fail exactly it.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::proof::{Outcome, Proof};
use super::prove;
use super::report::{Format, Subject, report};
use crate::config::Config;
use crate::config::compliance::Demand;
use crate::config::load::parse;
use crate::config::surroundings::Surroundings;
use crate::domain::limits::LimitKind;
use crate::standards::{self, Standard, Test, Who};

/// A policy that meets every standard.
const GOOD: &str = r#"ceiling.max_sessions = 2
[[listeners]]
address = "127.0.0.1:8080"
[admin]
token = "env:TOKEN"
[roles.buyer]
idle = "5m"
absolute = "12h"
users = ["b"]
[roles.admin]
privileged = true
idle = "5m"
absolute = "12h"
users = ["a"]
[[apps]]
name = "orders"
upstreams = ["http://10.0.0.1"]
[apps.session]
id = "cookie:SID"
[[apps.logins]]
path = "/login"
user = "form:user"
success = { cookie = "AUTH", new_session = true }
[[apps.logouts]]
path = "/logout"
"#;

/// Another app, with a limit of its own and one on a route.
const STOCK: &str = r#"
[[apps]]
name = "stock"
prefix = "/stock"
upstreams = ["http://10.0.0.2"]
idle = "40m"
session = { id = "cookie:STOCK" }
[[apps.logins]]
path = "/stock/login"
user = "form:user"
success = { new_session = true }
[[apps.logouts]]
path = "/stock/logout"
[[apps.routes]]
path = "/stock/prices/**"
idle = "20m"
"#;

fn config(policy: &str) -> Config {
    let secret = "0123456789abcdef".repeat(4);
    let surroundings = Surroundings {
        base_dir: Path::new(""),
        environment: &|_| Some(secret.clone()),
        read_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
        process_key: b"key",
    };
    parse(policy, "curfew.toml", &surroundings).unwrap().config
}

/// A policy against a standard, with what the policy says of it.
fn proven(policy: &str, standard: &str) -> Proof {
    let config = config(policy);
    let mut told = config.compliance.demands.iter();
    match told.find(|demand| demand.standard.name == standard) {
        Some(demand) => prove(&config, demand),
        None => {
            let standard = standards::named(standard).unwrap();
            prove(&config, &Demand::without_exceptions(standard))
        }
    }
}

fn ids(proof: &Proof, outcome: Outcome) -> Vec<&str> {
    let clauses = proof.clauses.iter();
    let clauses = clauses.filter(|judged| judged.outcome == outcome);
    clauses.map(|judged| judged.clause.id.as_str()).collect()
}

fn failed(proof: &Proof) -> Vec<&str> {
    ids(proof, Outcome::Fail)
}

/// Each finding as `place: what`.
fn findings(proof: &Proof) -> Vec<String> {
    let all = proof.clauses.iter().flat_map(|judged| &judged.findings);
    all.map(|one| format!("{}: {}", one.place(), one.what))
        .collect()
}

/// The good policy, where one role has one limit of this length.
fn with_limit(role: &str, kind: LimitKind, after: Duration) -> String {
    let after = humantime::format_duration(after);
    let limits = match kind {
        LimitKind::Idle => format!("idle = \"{after}\"\nabsolute = \"12h\""),
        LimitKind::Absolute => format!("idle = \"5m\"\nabsolute = \"{after}\""),
    };
    let (before, rest) = GOOD.split_once(&format!("[roles.{role}]\n")).unwrap();
    let rest = rest.replacen("idle = \"5m\"\nabsolute = \"12h\"", &limits, 1);
    format!("{before}[roles.{role}]\n{rest}")
}

#[test]
fn one_policy_meets_every_standard() {
    for standard in standards::all() {
        let proof = proven(GOOD, &standard.name);
        assert!(proof.holds());
        assert_eq!(findings(&proof), Vec::<String>::new());
        for judged in &proof.clauses {
            let told = matches!(judged.clause.test, Test::NotJudged(_));
            assert_eq!(
                judged.outcome == Outcome::NotJudged,
                told,
                "{}",
                judged.shown
            );
        }
    }
}

/// Every clause with a number: its standard, itself, and the role that it is tried with.
fn with_numbers() -> Vec<(
    &'static Standard,
    &'static str,
    LimitKind,
    Duration,
    &'static str,
)> {
    let mut found = Vec::new();
    for standard in standards::all() {
        for clause in &standard.clauses {
            if let Some((kind, timeout)) = clause.test.timeout()
                && let Some(at_most) = timeout.at_most
            {
                let role = match timeout.who {
                    Who::Everybody | Who::Unprivileged => "buyer",
                    Who::Privileged => "admin",
                };
                found.push((standard, clause.id.as_str(), kind, at_most, role));
            }
        }
    }
    found
}

#[test]
fn a_limit_at_the_number_passes_and_a_second_more_fails_that_clause_alone() {
    for (standard, clause, kind, at_most, role) in with_numbers() {
        let at = proven(&with_limit(role, kind, at_most), &standard.name);
        assert_eq!(
            failed(&at),
            Vec::<&str>::new(),
            "{} {clause}",
            standard.name
        );
        let beyond = with_limit(role, kind, at_most + Duration::from_secs(1));
        let beyond = proven(&beyond, &standard.name);
        assert_eq!(failed(&beyond), [clause], "{}", standard.name);
    }
}

/// What to change in the good policy, and which clauses then fail.
struct Spoiled {
    from: &'static str,
    to: &'static str,
    fails: &'static [(&'static str, &'static [&'static str])],
}

const SPOILED: [Spoiled; 8] = [
    Spoiled {
        from: "id = \"cookie:SID\"",
        to: "id = \"cookie:SID\"\nauthorization = \"pass\"",
        fails: &[
            ("pci-dss-4", &["8.2.8"]),
            ("nist-800-63b-3-aal2", &["7.2-termination"]),
            ("nist-800-63b-3-aal3", &["7.2-termination"]),
            (
                "nist-800-63b-4-aal2",
                &["2.2.3-established", "5.2-termination"],
            ),
            ("nist-800-63b-4-aal3", &["5.2-termination"]),
            ("owasp-asvs-5", &["7.3.1", "7.3.2", "7.4.1-expiration"]),
            ("disa-asd-stig", &["V-222389", "V-222390"]),
            ("psd2-rts", &["4(3)(d)"]),
            ("hipaa", &["164.312(a)(2)(iii)"]),
            ("fedramp", &["AC-11(b)", "AC-12"]),
        ],
    },
    Spoiled {
        from: "[[apps.logouts]]\npath = \"/logout\"\n",
        to: "",
        fails: &[
            ("nist-800-63b-3-aal2", &["7.1-logout"]),
            ("nist-800-63b-3-aal3", &["7.1-logout"]),
            ("nist-800-63b-4-aal2", &["5.1-logout"]),
            ("nist-800-63b-4-aal3", &["5.1-logout"]),
            ("owasp-asvs-5", &["7.4.1-logout"]),
            ("disa-asd-stig", &["V-222391"]),
        ],
    },
    Spoiled {
        from: "success = { cookie = \"AUTH\", new_session = true }",
        to: "success = { cookie = \"AUTH\" }\nsame_id = true",
        fails: &[("owasp-asvs-5", &["7.2.4"])],
    },
    Spoiled {
        from: "max_sessions = 2",
        to: "idle = \"1h\"",
        fails: &[
            ("owasp-asvs-5", &["7.1.2"]),
            ("disa-asd-stig", &["V-222387"]),
            ("fedramp", &["AC-10-privileged", "AC-10-others"]),
        ],
    },
    Spoiled {
        from: "max_sessions = 2",
        to: "max_sessions = 3",
        fails: &[("fedramp", &["AC-10-others"])],
    },
    Spoiled {
        from: "user = \"form:user\"\n",
        to: "",
        fails: &[
            ("owasp-asvs-5", &["7.1.2"]),
            ("disa-asd-stig", &["V-222387"]),
            ("fedramp", &["AC-10-privileged", "AC-10-others"]),
        ],
    },
    Spoiled {
        from: "token = \"env:TOKEN\"\n",
        to: "",
        fails: &[("owasp-asvs-5", &["7.4.5"])],
    },
    Spoiled {
        from: "[admin]\n",
        to: "[records]\naudit = \"off\"\n[admin]\n",
        fails: &[("disa-asd-stig", &["V-222445"])],
    },
];

#[test]
fn what_is_no_number_fails_the_clauses_that_are_about_it() {
    for spoiled in SPOILED {
        assert!(GOOD.contains(spoiled.from), "{}", spoiled.from);
        let policy = GOOD.replace(spoiled.from, spoiled.to);
        for standard in standards::all() {
            let expected = spoiled
                .fails
                .iter()
                .find(|(name, _)| *name == standard.name);
            let expected = expected.map_or(&[][..], |(_, ids)| ids);
            let proof = proven(&policy, &standard.name);
            assert_eq!(failed(&proof), expected, "{} {}", standard.name, spoiled.to);
            assert_eq!(proof.holds(), expected.is_empty());
        }
    }
}

#[test]
fn no_clause_is_judged_that_no_test_makes_fail() {
    let mut tried: BTreeSet<(&str, &str)> = with_numbers()
        .into_iter()
        .map(|(standard, clause, ..)| (standard.name.as_str(), clause))
        .collect();
    for (standard, ids) in SPOILED.iter().flat_map(|spoiled| spoiled.fails) {
        tried.extend(ids.iter().map(|id| (*standard, *id)));
    }
    for standard in standards::all() {
        for clause in &standard.clauses {
            let judged = !matches!(clause.test, Test::NotJudged(_));
            let name = (standard.name.as_str(), clause.id.as_str());
            assert_eq!(tried.contains(&name), judged, "{name:?}");
        }
    }
}

#[test]
fn the_role_the_app_the_route_and_the_line_at_fault_are_told() {
    let policy = with_limit("buyer", LimitKind::Idle, Duration::from_secs(3600)) + STOCK;
    let proof = proven(&policy, "pci-dss-4");
    assert_eq!(
        findings(&proof),
        [
            "buyer in orders: 1h (role buyer, line 6)",
            "buyer in stock: 40m (app stock, line 27)",
            "buyer in stock at /stock/prices/**: 20m (route, line 39)",
        ]
    );
    let lines = proof.clauses[0].findings.iter().map(|one| one.line);
    assert_eq!(lines.collect::<Vec<_>>(), [Some(6), Some(27), Some(39)]);
    assert_eq!(
        proof.clauses[0].shown,
        "longest 1h (role buyer, line 6), buyer in orders"
    );
}

/// Devices of a network, on which a role is limited to something else.
fn on_terminals(idle: &str) -> String {
    format!(
        "{GOOD}[devices.terminal]\nwhen = [{{ networks = [\"10.30.0.0/16\"] }}]\n\
         [roles.buyer.devices.terminal]\nidle = \"{idle}\"\nbecause = \"stock-taking\"\n"
    )
}

#[test]
fn a_limit_that_is_longer_on_a_class_of_devices_is_looked_at_too() {
    let allowed = proven(&on_terminals("15m"), "pci-dss-4");
    assert!(failed(&allowed).is_empty());
    let longer = proven(&on_terminals("15m 1s"), "pci-dss-4");
    assert_eq!(failed(&longer), ["8.2.8"]);
    assert!(findings(&longer)[0].contains("role buyer on terminal"));
}

#[test]
fn whom_no_role_names_is_looked_at_too() {
    let long = |policy: String| policy.replace("idle = \"5m\"", "idle = \"16m\"");
    let proof = proven(&long(GOOD.to_owned()), "pci-dss-4");
    assert_eq!(
        findings(&proof),
        [
            "buyer in orders: 16m (role buyer, line 6)",
            "admin in orders: 16m (role admin, line 10)",
            "(no role known) in orders: 16m (strictest role, buyer, line 6)",
        ]
    );
}

#[test]
fn where_no_login_is_known_visitors_are_looked_at() {
    let (app, _) = GOOD.split_once("[[apps.logins]]").unwrap();
    let proof = proven(app, "psd2-rts");
    assert_eq!(
        findings(&proof),
        ["(no login) in orders: 15m (anonymous, default)"]
    );
    assert_eq!(proof.clauses[0].findings[0].line, None);
    let adopting = app.replace("name = ", "adopt_until = 2026-12-01T00:00:00Z\nname = ");
    let adopting = adopting.replace("idle = \"5m\"", "idle = \"6m\"");
    let proof = proven(&adopting, "psd2-rts");
    assert_eq!(findings(&proof).len(), 2);
}

#[test]
fn a_role_that_extends_a_privileged_one_is_privileged_unless_it_says_not() {
    let deputy = "[roles.deputy]\nextends = \"admin\"\nidle = \"12m\"\nusers = [\"d\"]\n[[apps]]";
    let policy = GOOD.replace("[[apps]]", deputy);
    assert_eq!(failed(&proven(&policy, "disa-asd-stig")), ["V-222390"]);
    let plain = policy.replace("extends", "privileged = false\nextends");
    assert_eq!(failed(&proven(&plain, "disa-asd-stig")), Vec::<&str>::new());
}

#[test]
fn without_a_privileged_role_its_clause_is_not_judged() {
    let policy = GOOD.replace("privileged = true\n", "");
    let proof = proven(&policy, "disa-asd-stig");
    assert_eq!(ids(&proof, Outcome::NotJudged), ["V-222390", "V-222392"]);
    let shown = &proof.clauses[2].shown;
    assert_eq!(shown, "no role is marked `privileged = true`");
}

fn excepting(policy: &str, exceptions: &str) -> String {
    format!("{policy}\n[[standards]]\nname = \"pci-dss-4\"\n{exceptions}")
}

/// An exception from 8.2.8 for what `whom` says.
fn exception(whom: &str) -> String {
    format!(
        "[[standards.exceptions]]\nclause = \"8.2.8\"\n{whom}\nbecause = \"locked  up\\nat night\"\n"
    )
}

#[test]
fn a_reason_justifies_what_it_is_meant_for() {
    let long = with_limit("buyer", LimitKind::Idle, Duration::from_secs(3600)) + STOCK;
    for (whom, outcome) in [
        ("", Outcome::Justified),
        ("roles = [\"buyer\"]", Outcome::Justified),
        ("apps = [\"orders\", \"stock\"]", Outcome::Justified),
        ("roles = [\"admin\"]", Outcome::Fail),
        ("apps = [\"stock\"]", Outcome::Fail),
        ("roles = [\"buyer\"]\napps = [\"orders\"]", Outcome::Fail),
    ] {
        let proof = proven(&excepting(&long, &exception(whom)), "pci-dss-4");
        assert_eq!(proof.clauses[0].outcome, outcome, "{whom}");
        assert_eq!(proof.holds(), outcome == Outcome::Justified);
        let reasons = proof.clauses[0].findings.iter();
        let mut reasons = reasons.filter_map(|finding| finding.because.as_ref());
        assert!(reasons.all(|because| because.reason == "locked up at night"));
    }
}

#[test]
fn several_reasons_together_justify_a_clause() {
    let long = with_limit("buyer", LimitKind::Idle, Duration::from_secs(3600)) + STOCK;
    let both = exception("apps = [\"orders\"]") + &exception("apps = [\"stock\"]");
    let proof = proven(&excepting(&long, &both), "pci-dss-4");
    assert_eq!(proof.clauses[0].outcome, Outcome::Justified);
    assert!(proof.unused.is_empty());
}

#[test]
fn whom_no_role_names_is_excepted_with_the_role_that_gives_him_his_limit() {
    let long = GOOD.replace("idle = \"5m\"", "idle = \"16m\"");
    let one = proven(
        &excepting(&long, &exception("roles = [\"buyer\"]")),
        "pci-dss-4",
    );
    let covered = |proof: &Proof| -> Vec<bool> {
        let findings = proof.clauses[0].findings.iter();
        findings.map(|finding| finding.because.is_some()).collect()
    };
    assert_eq!(covered(&one), [true, false, true]);
    let both = exception("roles = [\"buyer\", \"admin\"]");
    assert!(proven(&excepting(&long, &both), "pci-dss-4").holds());
}

#[test]
fn a_reason_for_a_role_does_not_cover_what_is_wrong_with_the_app() {
    let passing = GOOD.replace(
        "[[apps.logins]]",
        "authorization = \"pass\"\n[[apps.logins]]",
    );
    let proof = |whom: &str| proven(&excepting(&passing, &exception(whom)), "pci-dss-4");
    assert!(!proof("roles = [\"buyer\"]").holds());
    assert!(proof("apps = [\"orders\"]").holds());
}

#[test]
fn an_exception_that_nothing_needs_is_told() {
    let twice = exception("") + &exception("roles = [\"buyer\"]");
    let unused = |policy: &str| proven(&excepting(policy, &twice), "pci-dss-4").unused.len();
    assert_eq!(unused(GOOD), 2);
    let long = with_limit("buyer", LimitKind::Idle, Duration::from_secs(3600));
    // The first covers all that the second could.
    assert_eq!(unused(&long), 1);
}

#[test]
fn a_standard_may_be_about_some_apps_alone() {
    let scoped = |apps: &str| {
        let policy = excepting(&format!("{GOOD}{STOCK}"), apps);
        let policy = policy.replace("idle = \"5m\"", "idle = \"30m\"");
        let policy = policy.replace("[apps.session]", "idle = \"10m\"\n[apps.session]");
        proven(&policy, "pci-dss-4").holds()
    };
    assert!(scoped("apps = [\"orders\"]"));
    assert!(!scoped("apps = [\"stock\"]"));
    assert!(!scoped(""));
}

fn written(policy: &str, standard: &str, format: Format) -> String {
    let config = config(policy);
    let subject = Subject {
        file: "curfew.toml",
        config: &config,
    };
    report(subject, &[proven(policy, standard)], format)
}

#[test]
fn a_program_reads_every_finding() {
    let long = with_limit("buyer", LimitKind::Idle, Duration::from_secs(3600)) + STOCK;
    let policy = excepting(&long, &exception("apps = [\"stock\"]"));
    let text = written(&policy, "pci-dss-4", Format::Json);
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["file"], "curfew.toml");
    assert_eq!(told["policy"], config(&policy).policy.version.to_string());
    assert_eq!(told["holds"], false);
    let clause = &told["standards"][0]["clauses"][0];
    assert_eq!(clause["outcome"], "fail");
    let first = &clause["findings"][0];
    assert_eq!(first["session"], "buyer");
    assert_eq!(first["limit_ms"], 3_600_000);
    assert_eq!(first["line"], 6);
    assert_eq!(first["because"], Value::Null);
    assert_eq!(
        clause["findings"][1]["because"]["reason"],
        "locked up at night"
    );
    assert_eq!(clause["findings"][2]["route"], "/stock/prices/**");
}

#[test]
fn the_same_policy_gives_the_same_bytes() {
    for format in [Format::Text, Format::Json, Format::Markdown] {
        let once = written(GOOD, "fedramp", format);
        assert_eq!(once, written(GOOD, "fedramp", format));
    }
}

#[test]
fn no_reason_breaks_the_auditors_table() {
    let long = with_limit("buyer", LimitKind::Idle, Duration::from_secs(3600));
    let hostile = exception("").replace("locked", "a | b <script>");
    let text = written(&excepting(&long, &hostile), "pci-dss-4", Format::Markdown);
    assert!(text.contains("a \\| b \\<script\\> up at night"), "{text}");
    let rows = text.lines().filter(|line| line.starts_with("| 8.2.8 "));
    assert_eq!(rows.count(), 1);
    assert!(text.contains("**justified**"), "{text}");
}

#[test]
fn a_terminal_gets_a_line_to_jump_to_for_every_fault() {
    let long = with_limit("buyer", LimitKind::Idle, Duration::from_secs(3600));
    let text = written(
        &excepting(&long, &exception("roles = [\"admin\"]")),
        "pci-dss-4",
        Format::Text,
    );
    let fault = "curfew.toml:6: buyer in orders: 1h (role buyer, line 6); fails pci-dss-4 8.2.8\n";
    assert!(text.contains(fault), "{text}");
    assert!(
        text.contains("warning: nothing needs this exception from 8.2.8"),
        "{text}"
    );
    assert!(
        text.contains("pci-dss-4: 0 pass, 0 justified, 1 fail, 0 not judged"),
        "{text}"
    );
}

/// Every clause about a timeout or about what an end means, by a test that is about somebody.
fn about_ends(standard: &Standard) -> Vec<&str> {
    let about = |test: &Test| test.timeout().is_some() || matches!(test, Test::Termination);
    let clauses = standard.clauses.iter().filter(|one| about(&one.test));
    clauses.map(|clause| clause.id.as_str()).collect()
}

#[test]
fn what_is_only_watched_fails_every_clause_about_an_end() {
    let app = GOOD.replace("[[apps]]", "[[apps]]\nmode = \"monitor\"");
    let roles = GOOD.replace("idle = \"5m\"", "mode = \"monitor\"\nidle = \"5m\"");
    for standard in standards::all() {
        for policy in [&app, &roles] {
            let proof = proven(policy, &standard.name);
            assert_eq!(failed(&proof), about_ends(standard), "{}", standard.name);
        }
    }
    let proof = proven(&roles, "pci-dss-4");
    assert!(
        findings(&proof).contains(&"buyer in orders: 1day (monitor mode)".to_owned()),
        "{:?}",
        findings(&proof)
    );
}
