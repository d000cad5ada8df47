//! Proofs for a program.

use serde_json::{Value, json};

use crate::config::Config;

use super::proof::{Finding, Judged, Proof};

pub(super) fn report(file: &str, config: &Config, proofs: &[Proof]) -> String {
    let standards: Vec<Value> = proofs.iter().map(one).collect();
    let report = json!({
        "file": file,
        "policy": config.policy.version.to_string(),
        "holds": proofs.iter().all(Proof::holds),
        "standards": standards,
    });
    format!("{report:#}\n")
}

fn one(proof: &Proof) -> Value {
    let clauses: Vec<Value> = proof.clauses.iter().map(clause).collect();
    let apps: Vec<&str> = proof.apps.iter().map(|app| &**app).collect();
    let unused = proof.unused.iter();
    let unused: Vec<Value> = unused
        .map(|exception| json!({ "clause": exception.clause, "line": exception.line }))
        .collect();
    json!({
        "name": proof.standard.name,
        "title": proof.standard.title,
        "url": proof.standard.url,
        "apps": apps,
        "holds": proof.holds(),
        "clauses": clauses,
        "unused_exceptions": unused,
    })
}

fn clause(judged: &Judged) -> Value {
    let findings: Vec<Value> = judged.findings.iter().map(finding).collect();
    json!({
        "clause": judged.clause.id,
        "asks": judged.clause.asks,
        "force": judged.clause.force.word(),
        "note": judged.clause.note,
        "looked_at": judged.clause.test.to_string(),
        "outcome": judged.outcome.word(),
        "seen": judged.shown,
        "findings": findings,
    })
}

fn finding(finding: &Finding) -> Value {
    let because = finding.because.as_ref();
    json!({
        "app": finding.app.as_deref(),
        "session": finding.person.as_ref().map(ToString::to_string),
        "route": finding.route,
        "limit_ms": finding.limit.map(|limit| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX)),
        "what": finding.what,
        "line": finding.line,
        "because": because.map(|because| json!({ "reason": because.reason, "line": because.line })),
    })
}
