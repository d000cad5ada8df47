//! How many sessions a user may have at a time, and whether the file can mean it.

use super::heir::{Heir, Named};
use super::limits::Rulebook;
use super::{Checker, items};
use crate::config::fault::{At, Code, Fault};
use crate::config::raw::RawConfig;
use crate::config::value::{Word, Words};
use crate::domain::seats::{SEATS_MAX, SeatLimit, WhenFull};

/// `max_sessions` and `on_max_sessions`, as far as they are told.
pub(super) type ToldSeats<'a> = (Option<&'a At<u64>>, Option<&'a At<Word<WhenFull>>>);

impl Checker<'_> {
    /// The limit of the ceiling.
    pub(super) fn seats_of_ceiling(&self, (most, on): ToldSeats<'_>) -> Option<SeatLimit> {
        self.is_number_of_seats(most);
        if let (None, Some(on)) = (most, on) {
            self.needs_a_number(on);
        }
        seat_limit((most, on))
    }

    /// The limit of a role: each half from the first that says it, of itself and those it extends.
    pub(super) fn seats_of_role(
        &self,
        heir: &Heir<'_>,
        raw: &RawConfig,
        rules: &mut Rulebook,
    ) -> Option<SeatLimit> {
        let own = heir.role();
        self.is_number_of_seats(own.max_sessions.as_ref());
        let most = heir.first(|role| role.max_sessions.as_ref());
        let on = heir.first(|role| role.on_max_sessions.as_ref());
        if let (None, Some(on)) = (most, &own.on_max_sessions) {
            self.needs_a_number(on);
        }
        let (giver, most) = most?;
        rules.lines.insert_seats_heir(heir.id(), giver);
        let ceiling = raw.ceiling.as_ref();
        let ceiling = ceiling.and_then(|ceiling| ceiling.value.max_sessions.as_ref());
        if let (Some(told), Some(ceiling)) = (&own.max_sessions, ceiling)
            && told.value > ceiling.value
        {
            let message = format!("above the ceiling, so {} applies", ceiling.value);
            let fault = Fault::warning(Code::AboveCeiling, &told.place, message);
            let help = format!("write at most {}, or raise the ceiling", ceiling.value);
            self.findings.push(fault.help(help));
        }
        seat_limit((Some(most), on.map(|(_, on)| on)))
    }

    /// Warnings that need the whole of the roles and apps.
    pub(super) fn seats_apply(&self, raw: &RawConfig, rules: &Rulebook) {
        self.mixed(&raw.roles, rules);
        if rules.policy.limits_seats() {
            self.counted(raw);
        }
    }

    fn is_number_of_seats(&self, told: Option<&At<u64>>) {
        let Some(told) = told else { return };
        let help = format!("write how many at most, 1 to {SEATS_MAX}");
        if told.value == 0 {
            self.error(Code::Range, &told.place, "nobody could log in", &help);
        } else if told.value > u64::from(SEATS_MAX) {
            let message = format!("more than {SEATS_MAX} sessions of a user are not counted");
            self.error(Code::Range, &told.place, message, &help);
        }
    }

    fn needs_a_number(&self, on: &At<Word<WhenFull>>) {
        let message = "says nothing without a number of sessions";
        let help = "write max_sessions = 1 beside it, or leave it out";
        self.error(Code::Contradiction, &on.place, message, help);
    }

    /// A warning where a user holds two roles that disagree about what becomes of a login too many.
    fn mixed(&self, roles: &[Named], rules: &Rulebook) {
        let limit = |index: usize| {
            let (name, _) = &roles[index];
            let known = rules.policy.roles.iter();
            let mut known = known.filter(|role| role.name.as_str() == name.value);
            known.next()?.seats
        };
        for later in 0..roles.len() {
            let Some(limited) = limit(later) else {
                continue;
            };
            let earlier = (0..later).find(|earlier| {
                let other = limit(*earlier);
                other.is_some_and(|other| other.when_full != limited.when_full)
                    && have_a_holder_in_common(&roles[*earlier], &roles[later])
            });
            if let Some(earlier) = earlier {
                self.disagree(roles, [earlier, later], limited);
            }
        }
    }

    fn disagree(&self, roles: &[Named], [earlier, later]: [usize; 2], limited: SeatLimit) {
        let (other, _) = &roles[earlier];
        let (_, role) = &roles[later];
        let place = match (&role.value.on_max_sessions, &role.value.max_sessions) {
            (Some(on), _) => &on.place,
            (None, Some(most)) => &most.place,
            (None, None) => &role.place,
        };
        let message = format!(
            "{:?}, but somebody holds the role {:?} too, which says otherwise",
            limited.when_full.word(),
            other.value
        );
        let fault = Fault::warning(Code::Contradiction, place, message);
        let help =
            "say the same in both: the one with fewer sessions counts, \"refuse\" of as many";
        self.findings
            .push(fault.other(&other.place, "the other role").help(help));
    }

    /// A warning at each login that does not tell whose session it begins.
    fn counted(&self, raw: &RawConfig) {
        let apps = raw.apps.iter();
        for login in apps.flat_map(|app| &app.value.logins) {
            if login.value.user.is_none() {
                let message = "max_sessions does not apply: this login does not tell who logs in";
                let fault = Fault::warning(Code::NeverApplies, &login.place, message);
                let help = "write where it finds the name, like user = \"form:j_username\"";
                self.findings.push(fault.help(help));
            }
        }
    }
}

fn seat_limit((most, on): ToldSeats<'_>) -> Option<SeatLimit> {
    Some(SeatLimit {
        seats: u32::try_from(most?.value).unwrap_or(u32::MAX),
        when_full: on.map_or(WhenFull::default(), |on| on.value.0),
    })
}

/// Whether a user, or a member of a group, that is named in both holds both.
fn have_a_holder_in_common((_, one): &Named, (_, other): &Named) -> bool {
    let share = |one: &[At<String>], other: &[At<String>]| {
        one.iter()
            .any(|name| other.iter().any(|other| other.value == name.value))
    };
    let [one, other] = [&one.value, &other.value];
    let users = [one, other].map(|role| items(role.users.as_ref()));
    let groups = [one, other].map(|role| items(role.groups.as_ref()));
    share(users[0], users[1]) || share(groups[0], groups[1])
}
