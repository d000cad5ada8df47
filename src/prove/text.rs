//! Proofs for a terminal: a table of clauses, then a line for each fault, which editors jump to.

use comfy_table::Table;
use comfy_table::presets::ASCII_FULL_CONDENSED;

use super::proof::{Finding, Judged, Outcome, Proof};

pub(super) fn report(file: &str, proofs: &[Proof]) -> String {
    let proofs: Vec<String> = proofs.iter().map(|proof| one(file, proof)).collect();
    proofs.join("\n")
}

fn one(file: &str, proof: &Proof) -> String {
    let standard = proof.standard;
    let mut out = format!("{}: {}\n", standard.name, standard.title);
    out.push_str(&table(proof).to_string());
    out.push('\n');
    for clause in &proof.clauses {
        for finding in &clause.findings {
            out.push_str(&fault(file, proof, clause, finding));
        }
    }
    for clause in &proof.clauses {
        if clause.outcome == Outcome::NotJudged {
            let id = &clause.clause.id;
            out.push_str(&format!("{id} is not judged: {}\n", clause.shown));
        }
    }
    for unused in &proof.unused {
        let (line, clause) = (unused.line, &unused.clause);
        out.push_str(&format!(
            "{file}:{line}: warning: nothing needs this exception from {clause}\n"
        ));
    }
    let counted =
        Outcome::ALL.map(|outcome| format!("{} {}", proof.count(outcome), outcome.word()));
    out.push_str(&format!("{}: {}\n", standard.name, counted.join(", ")));
    out
}

fn table(proof: &Proof) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_FULL_CONDENSED);
    table.set_header(["clause", "", "looked at", "outcome", "seen"]);
    for judged in &proof.clauses {
        let shown = match judged.outcome {
            Outcome::NotJudged => "see below",
            _ => &judged.shown,
        };
        table.add_row([
            judged.clause.id.as_str(),
            judged.clause.force.word(),
            &judged.clause.test.to_string(),
            judged.outcome.word(),
            shown,
        ]);
    }
    table
}

fn fault(file: &str, proof: &Proof, judged: &Judged, finding: &Finding) -> String {
    let place = match finding.line {
        Some(line) => format!("{file}:{line}"),
        None => file.to_owned(),
    };
    let (standard, clause) = (&proof.standard.name, &judged.clause.id);
    let head = format!("{place}: {}: {}", finding.place(), finding.what);
    match &finding.because {
        None => format!("{head}; fails {standard} {clause}\n"),
        Some(because) => format!(
            "{head}; justified, line {}: {}\n",
            because.line, because.reason
        ),
    }
}
