//! From line to line: what the policy that is tried would have made of each.

mod judge;

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use crate::config::Config;
use crate::config::app::App;
use crate::domain::access::Activity;
use crate::domain::cuts::Cuts;
use crate::domain::identity::Lineage;
use crate::domain::limits::{LimitKind, Limits};
use crate::domain::policy::Policy;
use crate::domain::rehearse::Mode;
use crate::domain::resolve::Setting;
use crate::domain::session::{EndReason, Phase};
use crate::domain::time::Timestamp;
use crate::store::event::build::rule_text;

use super::Options;
use super::life::{Life, Standing};
use super::line::{Happened, Line, Really};
use super::tally::{Predicted, Tally, predicted};

/// Sessions that are followed at once, some 600 bytes each. Beyond, the one that is due next is
/// forgotten.
pub(super) const LIVES_MAX: usize = 200_000;

/// How long one that ended is remembered, for its user may come back.
const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// How far behind its start a session's first line may be and still tell how it began.
const BEGINNING: Duration = Duration::from_secs(30);

/// Who hears of ends.
type OnEnd<'a> = &'a mut dyn FnMut(&Predicted);

/// A replay under way.
pub(super) struct Replay<'a> {
    config: &'a Config,
    /// Its policy, with every limit enforced: to try one is to see what it would end.
    policy: Policy,
    within: Duration,
    lives: HashMap<Lineage, Life>,
    lives_max: usize,
    due: BTreeSet<(Timestamp, Lineage)>,
    cuts: Cuts,
    tally: Tally,
    began: Option<Timestamp>,
    now: Timestamp,
}

impl<'a> Replay<'a> {
    pub(super) fn under(config: &'a Config, options: Options) -> Self {
        let mut policy = config.policy.clone();
        for role in &mut policy.roles {
            role.mode = Mode::Enforce;
        }
        let mut tally = Tally::under(&policy);
        tally.within_ms = u64::try_from(options.within.as_millis()).unwrap_or(u64::MAX);
        Self {
            config,
            policy,
            within: options.within,
            lives: HashMap::new(),
            lives_max: LIVES_MAX,
            due: BTreeSet::new(),
            cuts: Cuts::default(),
            tally,
            began: None,
            now: Timestamp::from_millis(0),
        }
    }

    /// The same, with room for so many sessions.
    #[cfg(test)]
    pub(super) fn with_room_for(self, lives_max: usize) -> Self {
        Self { lives_max, ..self }
    }

    /// How many sessions are followed, and how many are looked at again.
    #[cfg(test)]
    pub(super) fn followed(&self) -> (usize, usize) {
        (self.lives.len(), self.due.len())
    }

    /// The next line.
    pub(super) fn take(&mut self, line: &Line, on_end: OnEnd<'_>) {
        let at = line.at();
        self.began.get_or_insert(at);
        self.now = self.now.max(at);
        self.tally.lines += 1;
        let Some(lineage) = line.lineage() else {
            return self.end_what_is_due(at, on_end);
        };
        if line.happened() == Happened::Touch {
            self.end_what_is_due(line.since(), on_end);
            self.touched(lineage, line.since());
        }
        self.end_what_is_due(at, on_end);
        match line.happened() {
            Happened::Touch => self.touched(lineage, at),
            Happened::Login => self.logged_in(lineage, line),
            Happened::Logout => {
                self.met(lineage, line, on_end);
                self.is_over(lineage);
            }
            Happened::Nothing => self.met(lineage, line, on_end),
        }
    }

    /// There are no more lines.
    pub(super) fn finish(mut self, on_end: OnEnd<'_>) -> Tally {
        self.end_what_is_due(self.now, on_end);
        let live = |life: &&Life| life.standing == Standing::Live;
        self.tally.alive_at_the_end = self.lives.values().filter(live).count() as u64;
        self.tally.from_ms = self.began.map(Timestamp::as_millis);
        self.tally.to_ms = self.began.map(|_| self.now.as_millis());
        self.tally
    }

    /// Ends what nobody came back to in time, and forgets what ended long ago.
    fn end_what_is_due(&mut self, now: Timestamp, on_end: OnEnd<'_>) {
        while let Some((due, lineage)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.due.remove(&(due, lineage));
            let Some(life) = self.lives.get(&lineage) else {
                continue;
            };
            if life.standing != Standing::Live {
                self.lives.remove(&lineage);
                continue;
            }
            let record = &life.record;
            let setting = self.setting_of(&record.session.app);
            match record.phase(&self.policy, setting, &self.cuts, due) {
                Phase::Due(reason) => {
                    let limits = record.session.limits(&self.policy, setting);
                    let at = record.session.earliest_end(&limits, record.last_active);
                    self.end(lineage, (reason, at), limits, on_end);
                }
                Phase::Live { left, .. } => {
                    let next = due.plus(left);
                    self.look_again(lineage, next);
                    // At the end of time there is no later instant.
                    if next <= due {
                        return;
                    }
                }
                Phase::Ended(_) | Phase::Superseded(_) | Phase::Pending => {}
            }
        }
    }

    fn setting_of(&self, app: &str) -> Setting {
        Setting::of_app(self.config.bounds_of(app).limits)
    }

    fn look_again(&mut self, lineage: Lineage, at: Timestamp) {
        if let Some(life) = self.lives.get_mut(&lineage) {
            self.due.remove(&(life.due, lineage));
            life.due = at;
            self.due.insert((at, lineage));
        }
    }

    /// A session would have ended.
    fn end(
        &mut self,
        lineage: Lineage,
        (reason, at): (EndReason, Timestamp),
        limits: Limits,
        on_end: OnEnd<'_>,
    ) {
        let Some(life) = self.lives.get_mut(&lineage) else {
            return;
        };
        let met = false;
        life.standing = Standing::Cut { reason, at, met };
        let (role, user) = (life.role, life.user);
        self.tally.ended(role, user, (reason, at));
        let kind = match reason {
            // A role that was learned too long ago has an absolute timeout of its own.
            EndReason::AbsoluteTimeout | EndReason::RoleChanged => LimitKind::Absolute,
            _ => LimitKind::Idle,
        };
        let rule = rule_text(&self.policy, limits.of(kind).rule);
        let app = &life.record.session.app;
        let role = &self.tally.roles[role].role;
        on_end(&predicted(lineage, app, role, (reason, at), rule));
        self.look_again(lineage, at.max(self.now).plus(REMEMBERED));
    }

    /// It really ended, for a reason that no limit is.
    fn is_over(&mut self, lineage: Lineage) {
        let Some(life) = self.lives.get_mut(&lineage) else {
            return;
        };
        if life.standing == Standing::Live {
            life.standing = Standing::Over;
            self.look_again(lineage, self.now.plus(REMEMBERED));
        }
    }

    /// Work or a person's message touched it.
    fn touched(&mut self, lineage: Lineage, at: Timestamp) {
        let Some(life) = self.lives.get_mut(&lineage) else {
            return;
        };
        match life.standing {
            Standing::Live => life.touch(at),
            Standing::Cut { .. } => self.came_back(lineage, at, true),
            Standing::Over => {}
        }
    }

    /// A login began a session, and it may have taken the place of another one.
    fn logged_in(&mut self, lineage: Lineage, line: &Line) {
        if let Some(before) = line.before().filter(|before| *before != lineage)
            && let Some(standing) = self.standing(before)
        {
            match (line.really(), standing) {
                (Really::TurnedAway(_), _) => self.turned_away(before, line.at()),
                (_, Standing::Cut { .. }) => self.came_back(before, line.at(), false),
                _ => self.is_over(before),
            }
        }
        if self.app_of(line).is_some() && !self.lives.contains_key(&lineage) {
            self.begin(lineage, line);
        }
    }

    fn app_of(&mut self, line: &Line) -> Option<&'a App> {
        let app = self.config.app(line.app.as_deref().unwrap_or_default());
        self.tally.of_other_apps += u64::from(app.is_none());
        app.map(AsRef::as_ref)
    }

    /// A request of a session.
    fn met(&mut self, lineage: Lineage, line: &Line, on_end: OnEnd<'_>) {
        let Some(app) = self.app_of(line) else {
            return;
        };
        let authenticated = line.authenticated.unwrap_or_default();
        // A visitor has nothing to lose but where everybody is one.
        if !authenticated && !app.logins.is_empty() {
            return;
        }
        if !self.lives.contains_key(&lineage) {
            self.begin(lineage, line);
        }
        let at = line.at();
        match (self.standing(lineage), line.really()) {
            (None, _) => {}
            (Some(Standing::Live), Really::TurnedAway(_)) => {
                let replayed = self.replayed(app, line);
                if let Some((reason, limits)) = self.judge(lineage, app, line, replayed) {
                    self.end(lineage, (reason, at), limits, on_end);
                }
                self.turned_away(lineage, at);
            }
            (Some(_), Really::TurnedAway(_)) => self.turned_away(lineage, at),
            (Some(_), Really::EndedOtherwise) => self.is_over(lineage),
            (Some(_), Really::Refused) | (Some(Standing::Over), _) => {}
            (Some(standing), Really::Served) => {
                let replayed = self.replayed(app, line);
                let is_active = replayed.activity == Activity::Active;
                if let Standing::Cut { .. } = standing {
                    self.came_back(lineage, at, is_active);
                } else if let Some(cut) = self.judge(lineage, app, line, replayed) {
                    let (reason, limits) = cut;
                    self.end(lineage, (reason, at), limits, on_end);
                    self.came_back(lineage, at, is_active);
                }
            }
        }
    }

    fn standing(&self, lineage: Lineage) -> Option<Standing> {
        Some(self.lives.get(&lineage)?.standing)
    }

    /// The first line of a session.
    fn begin(&mut self, lineage: Lineage, line: &Line) {
        let (at, started) = (line.at(), line.started());
        let held = line.roles.as_deref().unwrap_or_default();
        let authenticated = line.authenticated.unwrap_or_default();
        let role = self.tally.role_of(authenticated, held);
        let is_before = self.began.is_none_or(|began| started < began);
        // Before the log, or before it was forgotten, nobody knows when its user was active last.
        let is_met_late = line.happened() != Happened::Login && at.since(started) > BEGINNING;
        let last_active = if is_before || is_met_late {
            at
        } else {
            started
        };
        self.tally.begun_before += u64::from(is_before);
        let version = self.policy.version;
        let mut life = Life::first_seen(line, version, lineage, role, last_active);
        self.tally.began(role, life.user);
        while self.lives.len() >= self.lives_max
            && let Some((_, next)) = self.due.pop_first()
        {
            self.lives.remove(&next);
            self.tally.forgotten += 1;
        }
        let setting = self.setting_of(&life.record.session.app);
        let mut due = life.record.session.due(&self.policy, setting, last_active);
        match line.really() {
            Really::TurnedAway(_) if is_met_late => life.standing = Standing::Over,
            // That end came before the log, or was counted before it was forgotten.
            Really::Served if is_met_late && due <= at => {
                life.begin_again(at);
                due = life.record.session.due(&self.policy, setting, at);
            }
            _ => {}
        }
        self.lives.insert(lineage, life);
        self.look_again(lineage, due);
    }

    /// Its user was really turned away by a limit.
    fn turned_away(&mut self, lineage: Lineage, at: Timestamp) {
        let Some(life) = self.lives.get_mut(&lineage) else {
            return;
        };
        let told = &mut self.tally.roles[life.role];
        if !life.turned_away {
            life.turned_away = true;
            told.really_turned_away += 1;
            told.would_have_gone_on += u64::from(life.standing == Standing::Live);
        }
        match life.standing {
            Standing::Cut { .. } => self.came_back(lineage, at, false),
            _ => self.is_over(lineage),
        }
    }

    /// A request meets an end. Where the session really went on and its user was active, he is taken
    /// to have logged in again.
    fn came_back(&mut self, lineage: Lineage, at: Timestamp, is_active: bool) {
        let Some(life) = self.lives.get_mut(&lineage) else {
            return;
        };
        let Standing::Cut {
            reason,
            at: ended,
            met,
        } = life.standing
        else {
            return;
        };
        let told = &mut self.tally.roles[life.role];
        told.met += u64::from(!met);
        let met = true;
        life.standing = Standing::Cut {
            reason,
            at: ended,
            met,
        };
        if is_active {
            told.at_work += u64::from(at.since(ended) < self.within);
            life.begin_again(at);
            let app = life.record.session.app.clone();
            let setting = self.setting_of(&app);
            let due = self.lives[&lineage]
                .record
                .session
                .due(&self.policy, setting, at);
            self.look_again(lineage, due);
        }
    }
}
