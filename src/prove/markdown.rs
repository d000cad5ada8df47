//! Proofs for an auditor: a document that quotes each clause.

use crate::config::Config;

use super::proof::{Finding, Judged, Outcome, Proof};

pub(super) fn report(file: &str, config: &Config, proofs: &[Proof]) -> String {
    let version = config.policy.version;
    let mut out = format!("# Proof of the policy {}\n\n", escaped(file));
    out.push_str(&format!(
        "Version `{version}`, the first four bytes of the file's SHA-256.\n"
    ));
    for proof in proofs {
        out.push('\n');
        out.push_str(&one(file, proof));
    }
    out
}

fn one(file: &str, proof: &Proof) -> String {
    let standard = proof.standard;
    let apps: Vec<String> = proof.apps.iter().map(|app| escaped(app)).collect();
    let counted =
        Outcome::ALL.map(|outcome| format!("{} {}", proof.count(outcome), outcome.word()));
    let mut out = format!(
        "## {}\n\n`{}`, <{}>. Apps: {}. Outcome: {}.\n\n| clause | asks | | looked at | outcome | seen |\n| --- | --- | --- | --- | --- | --- |\n",
        standard.title,
        standard.name,
        standard.url,
        apps.join(", "),
        counted.join(", ")
    );
    for judged in &proof.clauses {
        out.push_str(&row(judged));
    }
    let faults = proof.clauses.iter().flat_map(|judged| {
        let findings = judged.findings.iter();
        findings.map(move |finding| fault(file, judged, finding))
    });
    let unused = proof.unused.iter().map(|exception| {
        format!(
            "- Unused: the exception from {} on line {}.\n",
            exception.clause, exception.line
        )
    });
    let list: String = faults.chain(unused).collect();
    if !list.is_empty() {
        out.push('\n');
        out.push_str(&list);
    }
    out
}

fn row(judged: &Judged) -> String {
    let clause = judged.clause;
    let note = clause.note.as_ref();
    let note = note.map_or(String::new(), |note| format!(" *{}*", escaped(note)));
    format!(
        "| {} | {}{note} | {} | {} | **{}** | {} |\n",
        escaped(&clause.id),
        escaped(&clause.asks),
        clause.force.word(),
        escaped(&clause.test.to_string()),
        judged.outcome.word(),
        escaped(&judged.shown)
    )
}

fn fault(file: &str, judged: &Judged, finding: &Finding) -> String {
    let outcome = match finding.because {
        Some(_) => "Justified",
        None => "Fails",
    };
    let line = finding
        .line
        .map_or(String::new(), |line| format!(":{line}"));
    let mut out = format!(
        "- {outcome} {}: {}: {}, {}{line}.",
        escaped(&judged.clause.id),
        escaped(&finding.place()),
        escaped(&finding.what),
        escaped(file)
    );
    if let Some(because) = &finding.because {
        let reason = escaped(&because.reason);
        out.push_str(&format!(" Because (line {}): {reason}", because.line));
    }
    out.push('\n');
    out
}

/// A text that neither ends a cell nor begins an element.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if "|*_<>`[]\\".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}
