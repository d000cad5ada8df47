//! Whether a policy meets a standard: clause by clause, with the rule and the line at fault.
//!
//! Limits come from `Policy::resolve` alone, for everybody in every app and on every route with
//! limits of its own. What a policy cannot tell is never called a pass.

mod json;
mod judge;
mod markdown;
pub mod proof;
pub mod report;
mod text;

use crate::config::Config;
use crate::config::compliance::{Demand, Exception};
use crate::standards::Clause;

use judge::{Court, Opinion};
use proof::{Because, Finding, Judged, Outcome, Person, Proof};

/// Proves the policy against one standard, with the exceptions that the file makes from it.
pub fn prove(config: &Config, demand: &Demand) -> Proof {
    let court = Court::of(config, demand);
    let mut used = Vec::new();
    let clauses = demand.standard.clauses.iter();
    let clauses = clauses
        .map(|clause| judged(clause, court.judge(&clause.test), demand, &mut used))
        .collect();
    let unused = demand.exceptions.iter().enumerate();
    let unused = unused
        .filter(|(index, _)| !used.contains(index))
        .map(|(_, exception)| exception.clone());
    Proof {
        standard: demand.standard,
        apps: court.app_names(),
        clauses,
        unused: unused.collect(),
    }
}

/// The outcome of a clause: what was found, less what an exception covers. `used` gathers the
/// places of those that did.
fn judged(
    clause: &'static Clause,
    opinion: Opinion,
    demand: &Demand,
    used: &mut Vec<usize>,
) -> Judged {
    let (shown, mut findings) = match opinion {
        Opinion::NotJudged(why) => {
            return Judged {
                clause,
                outcome: Outcome::NotJudged,
                shown: why,
                findings: Vec::new(),
            };
        }
        Opinion::Found { shown, findings } => (shown, findings),
    };
    for finding in &mut findings {
        let exceptions = demand.exceptions.iter().enumerate();
        let mut covering = exceptions
            .filter(|(_, exception)| exception.clause == clause.id && covers(exception, finding));
        if let Some((index, exception)) = covering.next() {
            used.push(index);
            finding.because = Some(Because {
                reason: exception.because.clone(),
                line: exception.line,
            });
        }
    }
    let outcome = if findings.is_empty() {
        Outcome::Pass
    } else if findings.iter().all(|finding| finding.because.is_some()) {
        Outcome::Justified
    } else {
        Outcome::Fail
    };
    Judged {
        clause,
        outcome,
        shown,
        findings,
    }
}

/// Whether an exception is meant for what was found. One that names roles or apps is not meant for
/// what has to do with none.
fn covers(exception: &Exception, finding: &Finding) -> bool {
    let apps = exception.apps.as_ref();
    let app = apps.is_none_or(|apps| {
        let here = finding.app.as_ref();
        here.is_some_and(|app| apps.contains(app))
    });
    let roles = exception.roles.as_ref();
    let role = roles.is_none_or(|roles| match &finding.person {
        // Whom no role names has a limit too long only where all roles have: he is excepted with
        // the one that gave him his.
        Some(Person::Role(role) | Person::Unmapped(Some(role))) => roles.contains(role),
        Some(Person::Unmapped(None) | Person::Visitor) | None => false,
    });
    app && role
}

#[cfg(test)]
mod tests;
