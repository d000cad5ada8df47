//! One line of the access log, as far as a replay needs it. Lines of before still read: what they
//! do not tell is missing.

use serde::Deserialize;

use crate::domain::access::Activity;
use crate::domain::identity::{Fingerprint, Lineage};
use crate::domain::session::EndReason;
use crate::domain::time::Timestamp;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Line {
    at_ms: u64,
    /// The app.
    #[serde(default)]
    pub app: Option<String>,
    #[serde(default)]
    lineage: Option<String>,
    #[serde(default)]
    before: Option<String>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    started_ms: Option<u64>,
    #[serde(default)]
    until_ms: Option<u64>,
    #[serde(default)]
    since_ms: Option<u64>,
    /// The class of its device.
    #[serde(default)]
    pub device: Option<String>,
    /// Whether a login was seen.
    #[serde(default)]
    pub authenticated: Option<bool>,
    /// The roles held.
    #[serde(default)]
    pub roles: Option<Vec<String>>,
    /// The method.
    #[serde(default)]
    pub method: Option<String>,
    /// The normalised path.
    #[serde(default)]
    pub path: Option<String>,
    #[serde(default)]
    matched: Option<String>,
    #[serde(default)]
    route: Option<String>,
    #[serde(default)]
    activity: Option<String>,
    /// Whether it opened a stream.
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    verdict: Option<String>,
    #[serde(default)]
    reason: Option<String>,
    #[serde(default)]
    event: Option<String>,
    #[serde(default)]
    status: Option<u16>,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Really {
    /// Its session was alive, whatever the app said then.
    Served,
    /// A limit had ended its session.
    TurnedAway(EndReason),
    /// Something else had.
    EndedOtherwise,
    /// It was not as it should be; its session may live.
    Refused,
}

/// What a line tells of its session besides a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// A login began it.
    Login,
    /// A logout ended it.
    Logout,
    /// Something that is no request of its own touched it.
    Touch,
    /// Nothing else.
    Nothing,
}

impl Line {
    /// The line that is written so; an error says what is wrong with it.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let line: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        let told = [
            Some(line.at_ms),
            line.started_ms,
            line.until_ms,
            line.since_ms,
        ];
        match told.into_iter().flatten().max().map(Timestamp::from_millis) {
            Some(latest) if latest > Timestamp::LAST => Err("it tells of no year of ours".into()),
            _ => Ok(line),
        }
    }

    /// When it was decided.
    pub fn at(&self) -> Timestamp {
        Timestamp::from_millis(self.at_ms)
    }

    /// Its session.
    pub fn lineage(&self) -> Option<Lineage> {
        self.lineage.as_ref()?.parse().ok()
    }

    /// Of a login, the session that it took the place of.
    pub fn before(&self) -> Option<Lineage> {
        self.before.as_ref()?.parse().ok()
    }

    /// Whose session it is, by a hash.
    pub fn user(&self) -> Option<Fingerprint> {
        self.user.as_ref()?.parse().ok()
    }

    /// When its session began; when the line was written, where that is not told.
    pub fn started(&self) -> Timestamp {
        self.started_ms
            .map_or(self.at(), Timestamp::from_millis)
            .min(self.at())
    }

    /// Until when its session was adopted.
    pub fn until(&self) -> Option<Timestamp> {
        self.until_ms.map(Timestamp::from_millis)
    }

    /// Of a touch, since when its user was active.
    pub fn since(&self) -> Timestamp {
        self.since_ms
            .map_or(self.at(), Timestamp::from_millis)
            .min(self.at())
    }

    /// Which requests its route was meant for; what it is called, where that is not told.
    pub fn route(&self) -> Option<&str> {
        self.matched.as_deref().or(self.route.as_deref())
    }

    /// Whether it moved the idle clock.
    pub fn activity(&self) -> Activity {
        match self.activity.as_deref() {
            Some("active") => Activity::Active,
            _ => Activity::Passive,
        }
    }

    /// The status of the app's answer, where it gave one.
    pub fn status(&self) -> Option<u16> {
        self.status
            .filter(|_| self.verdict.as_deref() != Some("error"))
    }

    /// What became of it.
    pub fn really(&self) -> Really {
        match self.verdict.as_deref() {
            Some("strip" | "refuse") => {}
            _ => return Really::Served,
        }
        let reason = self.reason.as_deref().unwrap_or_default();
        let word = reason.strip_prefix("session_").unwrap_or(reason);
        match EndReason::from_word(word) {
            Some(reason @ (EndReason::IdleTimeout | EndReason::AbsoluteTimeout)) => {
                Really::TurnedAway(reason)
            }
            // The same words for a session that ended and for one that has to log in there.
            _ if self.event.as_deref() == Some("end") => Really::EndedOtherwise,
            Some(EndReason::DeviceChanged) => Really::Refused,
            Some(_) => Really::EndedOtherwise,
            None if word == "logged_out" => Really::EndedOtherwise,
            None => Really::Refused,
        }
    }

    /// What it tells of its session besides.
    pub fn happened(&self) -> Happened {
        match self.event.as_deref() {
            Some("login") => Happened::Login,
            Some("logout") => Happened::Logout,
            Some("work" | "person") => Happened::Touch,
            _ => Happened::Nothing,
        }
    }
}
