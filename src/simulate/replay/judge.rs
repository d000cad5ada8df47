//! One request, as the gateway would judge it.

use std::sync::Arc;

use crate::config::app::App;
use crate::domain::access::{Access, Activity, Client, LoginPage, OnStale, RequestFacts, Safety};
use crate::domain::decide::{Company, Decision, Found, Rules, Write, decide};
use crate::domain::device::{Moved, Seen};
use crate::domain::identity::{Lineage, Sid};
use crate::domain::limits::Limits;
use crate::domain::resolve::Setting;
use crate::domain::session::EndReason;
use crate::domain::token::Standing;
use crate::routing::known::{Logged, Replayed, replay};
use crate::simulate::life::seen;
use crate::simulate::line::Line;

use super::Replay;

impl Replay<'_> {
    /// What this policy's routes make of a request.
    pub(super) fn replayed(&mut self, app: &App, line: &Line) -> Replayed {
        let logged = Logged {
            method: line.method.as_deref().unwrap_or_default(),
            path: line.path.as_deref().unwrap_or_default(),
            route: line.route(),
            activity: line.activity(),
            opens_stream: line.stream,
            status: line.status(),
        };
        let replayed = replay(app, logged);
        self.tally.as_recorded += u64::from(replayed.is_guess);
        replayed
    }

    /// Decides a request that was served, and writes what follows; tells what would have ended its
    /// session.
    pub(super) fn judge(
        &mut self,
        lineage: Lineage,
        app: &App,
        line: &Line,
        replayed: Replayed,
    ) -> Option<(EndReason, Limits)> {
        let device = seen(&self.policy, line);
        self.tally.without_device += u64::from(device.is_none());
        let setting = Setting {
            route: replayed.limits,
            seen: device.unwrap_or(Seen::Nobody),
            on_device_change: app.on_device_change,
            ..Setting::of_app(app.bounds.limits)
        };
        let life = self.lives.get_mut(&lineage)?;
        let rules = Rules {
            policy: &self.policy,
            setting,
            cuts: &self.cuts,
            now: line.at(),
        };
        let found = Found {
            sid: Sid::from_bytes(*lineage.as_bytes()),
            record: Some(life.record.clone()),
            company: Company::Whole,
            token: Standing::Holds,
        };
        let Decision { live, write, .. } = decide(rules, served(replayed.activity), &[found]);
        match write {
            Write::Touch(_) => life.touch(line.at()),
            Write::Nothing => {}
            Write::End(due) => {
                let (_, reason) = due.first()?;
                let limits = life.record.session.limits(&self.policy, setting);
                return Some((*reason, limits));
            }
        }
        if live.is_some_and(|live| live.moved != Moved::No) {
            let session = Arc::make_mut(&mut life.record.session);
            session.device = self.policy.device_on_record(setting.seen);
            // On another device its limits may be shorter.
            let next = life.record.session.due(
                &self.policy,
                Setting::of_app(app.bounds.limits),
                life.record.last_active,
            );
            self.look_again(lineage, next);
        }
        None
    }
}

/// A request that was served: what it needed, it had.
fn served(activity: Activity) -> RequestFacts {
    RequestFacts {
        access: Access::Session,
        activity,
        on_stale: OnStale::Refuse,
        client: Client::Script,
        safety: Safety::Safe,
        login_page: LoginPage::Elsewhere,
    }
}
