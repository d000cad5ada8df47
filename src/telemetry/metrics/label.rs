//! The closed sets of label values. Each enum's `WORDS[value as usize]` is how metrics spell it.

use crate::domain::decide::Verdict;
use crate::domain::session::EndReason;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerdictLabel {
    /// It went on with everything it carried.
    Forward,
    /// It went on without its ids.
    Strip,
    /// The gateway answered for its session's sake.
    Refuse,
    /// The gateway answered, because something failed.
    Error,
}

impl VerdictLabel {
    pub(super) const WORDS: [&'static str; 4] = ["forward", "strip", "refuse", "error"];

    /// The word for it in metrics and in the access log.
    pub fn as_str(self) -> &'static str {
        Self::WORDS[self as usize]
    }
}

impl From<Verdict> for VerdictLabel {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Forward => Self::Forward,
            Verdict::Strip(_) => Self::Strip,
            Verdict::Refuse(_) => Self::Refuse,
        }
    }
}

/// What the answer to a login request told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoginOutcome {
    /// The app let the user in.
    Success,
    /// The app did not.
    Failure,
    /// It could not be told, or the session could not be recorded.
    Unlearned,
    /// The app let the user in, and the gateway did not: he has as many sessions as he may have.
    Refused,
}

impl LoginOutcome {
    pub(super) const WORDS: [&'static str; 4] = ["success", "failure", "unlearned", "refused"];
}

/// What became of a companion token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenLabel {
    /// A value was handed out that takes the place of the one in force.
    Offered,
    /// It was first presented, and did.
    Renewed,
    /// A request needed one and had none.
    Missing,
    /// A request had one that was never its session's.
    Unknown,
    /// The app set a cookie or header of the same name.
    Withheld,
}

impl TokenLabel {
    pub(super) const WORDS: [&'static str; 5] =
        ["offered", "renewed", "missing", "unknown", "withheld"];
}

/// How an upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpstreamFault {
    /// It took no connection.
    Refused,
    /// It broke off before its answer, or answered something else than HTTP.
    Broken,
    /// It did not answer in time.
    Late,
    /// Its address cannot be written as a URI.
    Address,
}

impl UpstreamFault {
    pub(super) const WORDS: [&'static str; 4] = ["refused", "broken", "late", "address"];
}

/// Why the gateway cut a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamCut {
    /// Its session ended.
    Ended(EndReason),
    /// The gateway stopped.
    Stopping,
}

impl StreamCut {
    pub(super) const COUNT: usize = EndReason::ALL.len() + 1;

    pub(super) fn words() -> [&'static str; Self::COUNT] {
        let mut words = ["stopping"; Self::COUNT];
        for reason in EndReason::ALL {
            words[Self::Ended(reason).index()] = reason.as_str();
        }
        words
    }

    pub(super) fn index(self) -> usize {
        match self {
            Self::Ended(reason) => reason as usize,
            Self::Stopping => Self::COUNT - 1,
        }
    }
}

/// An operation of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreOp {
    /// Reading records and cuts.
    LookUp,
    /// Moving an idle clock.
    Touch,
    /// Recording an id.
    Create,
    /// Taking an id out of service for its successor.
    Claim,
    /// Making a pending id live.
    Activate,
    /// Ending an id.
    End,
    /// Replacing what stays of an id.
    Bind,
    /// Changing what stays of an id, if it is still what was judged.
    Amend,
    /// Taking, leaving or handing over a user's seat.
    Seat,
    /// Cutting a scope.
    Cut,
    /// Looking for ids that are due.
    ClaimDue,
    /// Setting when an id, or all, are looked at.
    Rearm,
    /// Reading the outbox.
    ReadEvents,
    /// Acknowledging events.
    Acknowledge,
    /// Counting sessions or events, for metrics.
    Count,
}

impl StoreOp {
    pub(super) const WORDS: [&'static str; 15] = [
        "look_up",
        "touch",
        "create",
        "claim",
        "activate",
        "end",
        "bind",
        "amend",
        "seat",
        "cut",
        "claim_due",
        "rearm",
        "read_events",
        "acknowledge",
        "count",
    ];
}

/// What became of a reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReloadOutcome {
    Success,
    Failure,
}

impl ReloadOutcome {
    pub(super) const WORDS: [&'static str; 2] = ["success", "failure"];
}
