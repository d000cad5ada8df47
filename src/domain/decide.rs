//! `decide`: from what a request is and what its ids mean to a verdict. Total and pure.

use std::sync::Arc;

use super::access::{Access, Activity, Client, LoginPage, OnStale, RequestFacts, Safety};
use super::cuts::Cuts;
use super::device::{Moved, OnDeviceChange};
use super::identity::{Lineage, Sid};
use super::limits::{Limits, RouteBounds};
use super::policy::Policy;
use super::rehearse::Rehearsal;
use super::resolve::Setting;
use super::session::{EndReason, Phase, Record, Session};
use super::time::Timestamp;
use super::token::{Change, Standing};

/// What was found of one id that a request presented.
#[derive(Debug, Clone)]
pub struct Found {
    /// The id.
    pub sid: Sid,
    /// Its record; none where it was never recorded.
    pub record: Option<Record>,
    /// Whether the cookies that accompany the id belong to it.
    pub company: Company,
    /// What the companion token that came with it means.
    pub token: Standing,
}

/// Whether the cookies that accompany an id belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Company {
    /// Each is there, and bound to the session.
    Whole,
    /// One that the app set is missing: an app that sees half of a group may destroy the session.
    Partial,
    /// One has a value that was never bound to the session.
    Foreign,
}

/// Why a request is not what it would need to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stale {
    /// It carries no id.
    NoSession,
    /// Its session is alive, but nobody logged in.
    LoginRequired,
    /// It carries an id that was never recorded, or that is not alive yet.
    Unknown,
    /// Its lineage ended.
    Ended(EndReason),
    /// Its id was replaced; the lineage goes on under another.
    Superseded,
    /// Its ids belong to different sessions.
    Mixed,
    /// A cookie of the group is missing.
    Partial,
    /// A cookie of the group belongs to another session.
    Foreign,
    /// It comes from a device of another class, where its user has to log in anew.
    DeviceChanged,
    /// It lacks the session's companion token.
    TokenMissing,
    /// Its companion token was never one of this session.
    TokenUnknown,
    /// Its user logged in too long ago for what it asks.
    LoginTooOld,
}

impl Stale {
    /// Whether it tells of what was once alive or belongs to somebody else, which is worth a record.
    pub const fn is_recorded(self) -> bool {
        match self {
            Self::Ended(_)
            | Self::Superseded
            | Self::Mixed
            | Self::Foreign
            | Self::DeviceChanged
            | Self::TokenMissing
            | Self::TokenUnknown
            | Self::LoginTooOld => true,
            Self::NoSession | Self::LoginRequired | Self::Unknown | Self::Partial => false,
        }
    }

    /// Whether its session is alive, and its user must prove himself again all the same.
    pub fn needs_proof(self) -> bool {
        matches!(self, Self::DeviceChanged | Self::LoginTooOld)
    }
}

/// A session that a request may use, at one instant.
#[derive(Debug, Clone)]
pub struct Live {
    /// Its id.
    pub sid: Sid,
    /// What stays.
    pub session: Arc<Session>,
    /// The last active request before this one.
    pub last_active: Timestamp,
    /// The limits in force.
    pub limits: Limits,
    /// Of these, what the request's route says: a stream that it opens keeps it.
    pub route: RouteBounds,
    /// Whether its device is of another class than the one on record, which must then follow.
    pub moved: Moved,
    /// What becomes of its companion token, which must then follow.
    pub token: Option<Box<Change>>,
    /// How it stands by limits that are only watched, where there are any.
    pub rehearsal: Option<Box<Rehearsal>>,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on with everything it carries.
    Forward,
    /// It goes on without its ids, their group and the `auth_cookies`.
    Strip(Stale),
    /// The gateway answers.
    Refuse(Stale),
}

/// What must be written before the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Nothing.
    Nothing,
    /// Move the idle clock of this id.
    Touch(Sid),
    /// End these ids, each for its reason.
    End(Vec<(Sid, EndReason)>),
}

/// The decision on one request.
#[derive(Debug, Clone)]
pub struct Decision {
    /// What becomes of it.
    pub verdict: Verdict,
    /// The session it may use, where it has one.
    pub live: Option<Live>,
    /// What must be written first.
    pub write: Write,
}

/// What the rules say at one instant.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// The policy in force.
    pub policy: &'a Policy,
    /// Where the request is judged.
    pub setting: Setting,
    /// The table of cuts.
    pub cuts: &'a Cuts,
    /// The one reading of the clock.
    pub now: Timestamp,
}

/// Decides one request.
pub fn decide(rules: Rules<'_>, facts: RequestFacts, found: &[Found]) -> Decision {
    let judged = judge(rules, facts, found);
    let stale = match (&judged.standing, facts.access) {
        (Ok(live), Access::Authenticated) if !live.session.is_authenticated() => {
            return on_anonymous(facts, live.clone());
        }
        (Ok(live), _) => return forward(facts, live.clone()),
        (Err(stale), _) => *stale,
    };
    let write = if judged.due.is_empty() {
        Write::Nothing
    } else {
        Write::End(judged.due)
    };
    Decision {
        verdict: match stale.needs_proof() {
            true => on_proof_due(facts, stale, rules.setting.proof.may_end(facts)),
            false => on_stale(facts, stale),
        },
        live: None,
        write,
    }
}

/// Decides a request whose session turned out to be gone when the decision was to be written.
pub fn decide_stale(facts: RequestFacts, stale: Stale) -> Decision {
    Decision {
        verdict: on_stale(facts, stale),
        live: None,
        write: Write::Nothing,
    }
}

/// Decides a request that needs no session while the store does not answer: nothing is known of
/// its ids, so none may pass.
pub fn decide_unknown(facts: RequestFacts) -> Decision {
    decide_stale(facts, Stale::Unknown)
}

fn forward(facts: RequestFacts, live: Live) -> Decision {
    let write = match facts.activity {
        Activity::Active => Write::Touch(live.sid),
        Activity::Passive => Write::Nothing,
    };
    Decision {
        verdict: Verdict::Forward,
        live: Some(live),
        write,
    }
}

/// A live session without a login where one is needed. Its id is not stale, so nothing is
/// stripped: the visitor's login will need it.
fn on_anonymous(facts: RequestFacts, live: Live) -> Decision {
    if shows_login_page(facts) {
        return forward(facts, live);
    }
    let verdict = Verdict::Refuse(Stale::LoginRequired);
    Decision {
        verdict,
        live: Some(live),
        write: Write::Nothing,
    }
}

fn on_stale(facts: RequestFacts, stale: Stale) -> Verdict {
    match facts.access {
        Access::Public => Verdict::Strip(stale),
        Access::Session | Access::Authenticated => {
            let stripped = facts.on_stale == OnStale::Strip
                && facts.safety == Safety::Safe
                && facts.client != Client::Upgrade;
            if stripped || shows_login_page(facts) {
                Verdict::Strip(stale)
            } else {
                Verdict::Refuse(stale)
            }
        }
    }
}

/// A living session whose user must prove himself again.
///
/// It is stripped where its user may log in, so that the app does not take him for one who has. An
/// app that sees no id may give out another one, which takes the place of the living one at the
/// client: so not elsewhere, unless the session ends here.
fn on_proof_due(facts: RequestFacts, stale: Stale, ends: bool) -> Verdict {
    if facts.access == Access::Public || (ends && shows_login_page(facts)) {
        Verdict::Strip(stale)
    } else {
        Verdict::Refuse(stale)
    }
}

/// Whether the app would answer this request with its login form.
fn shows_login_page(facts: RequestFacts) -> bool {
    facts.login_page == LoginPage::Same
        && facts.client == Client::Navigation
        && facts.safety == Safety::Safe
}

struct Judged {
    standing: Result<Live, Stale>,
    due: Vec<(Sid, EndReason)>,
}

/// All ids of a request must be alive, of one lineage and in the right company.
fn judge(rules: Rules<'_>, facts: RequestFacts, found: &[Found]) -> Judged {
    let mut standing: Result<Live, Stale> = Err(Stale::NoSession);
    let mut due = Vec::new();
    for (index, found) in found.iter().enumerate() {
        let one = judge_one(rules, facts, found, &mut due);
        standing = if index == 0 { one } else { both(standing, one) };
    }
    Judged { standing, due }
}

fn judge_one(
    rules: Rules<'_>,
    facts: RequestFacts,
    found: &Found,
    due: &mut Vec<(Sid, EndReason)>,
) -> Result<Live, Stale> {
    let Some(record) = &found.record else {
        return Err(Stale::Unknown);
    };
    let limits = match record.phase(rules.policy, rules.setting, rules.cuts, rules.now) {
        Phase::Live { limits, .. } => limits,
        Phase::Due(reason) => {
            due.push((found.sid, reason));
            return Err(Stale::Ended(reason));
        }
        Phase::Ended(reason) => return Err(Stale::Ended(reason)),
        Phase::Superseded(_) => return Err(Stale::Superseded),
        Phase::Pending => return Err(Stale::Unknown),
    };
    let token = match &found.token {
        Standing::Holds => None,
        Standing::Changes(change) => Some(change.clone()),
        Standing::Missing => return Err(Stale::TokenMissing),
        Standing::Unknown => return Err(Stale::TokenUnknown),
        Standing::Reused => {
            due.push((found.sid, EndReason::TokenReuse));
            return Err(Stale::Ended(EndReason::TokenReuse));
        }
    };
    match found.company {
        Company::Whole => {}
        Company::Partial => return Err(Stale::Partial),
        Company::Foreign => return Err(Stale::Foreign),
    }
    let Setting {
        seen,
        on_device_change,
        proof,
        ..
    } = rules.setting;
    let moved = record.session.moved(rules.policy, seen);
    let unproven = match (moved, on_device_change) {
        (Moved::Yes, OnDeviceChange::End) => {
            due.push((found.sid, EndReason::DeviceChanged));
            return Err(Stale::Ended(EndReason::DeviceChanged));
        }
        (Moved::Yes, OnDeviceChange::Reauthenticate) => Some(Stale::DeviceChanged),
        _ if proof.is_due(&record.session, rules.now) => Some(Stale::LoginTooOld),
        _ => None,
    };
    if let Some(stale) = unproven {
        if proof.may_end(facts) {
            due.push((found.sid, EndReason::Reauthenticated));
        }
        return Err(stale);
    }
    Ok(Live {
        sid: found.sid,
        session: Arc::clone(&record.session),
        last_active: record.last_active,
        limits,
        route: rules.setting.route,
        moved,
        token,
        rehearsal: record
            .rehearse(rules.policy, rules.setting, rules.now)
            .map(Box::new),
    })
}

/// Two ids of one request. An end says most to the user, so it is what he is told.
fn both(one: Result<Live, Stale>, other: Result<Live, Stale>) -> Result<Live, Stale> {
    match (one, other) {
        // The one that says less of its user counts, whichever comes first.
        (Ok(one), Ok(other)) if lineage(&one) == lineage(&other) => {
            Ok(if other.session.is_authenticated() {
                one
            } else {
                other
            })
        }
        (Ok(_), Ok(_)) => Err(Stale::Mixed),
        (Err(Stale::Ended(reason)), _) | (_, Err(Stale::Ended(reason))) => {
            Err(Stale::Ended(reason))
        }
        (Err(stale), Ok(_) | Err(_)) | (Ok(_), Err(stale)) => Err(stale),
    }
}

fn lineage(live: &Live) -> Lineage {
    live.session.lineage
}

#[cfg(test)]
mod tests;
