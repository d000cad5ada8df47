//! Who may stay how long: for each role, and what routes and devices make of it.

use comfy_table::Table;

use super::empty_table;
use crate::config::Config;
use crate::config::app::{App, Route};
use crate::config::value::Words;
use crate::domain::device::Seen;
use crate::domain::limits::{DeviceId, LimitKind, RoleId, RouteBounds, Rule};
use crate::domain::policy::Policy;
use crate::domain::resolve::{Facts, Holder, Resolved, Setting};
use crate::domain::seats::{SeatLimit, Seats};

/// The limits of each role, of a user without any, and of a visitor.
pub(super) fn of_sessions(config: &Config, app: &App) -> Table {
    let mut table = empty_table(&["session", "idle", "from", "absolute", "from"]);
    for (who, limits) in of_everybody(&config.policy, Setting::of_app(app.bounds)) {
        table.add_row([vec![who], cells(config, app, limits)].concat());
    }
    table
}

/// What the routes with limits of their own make of everybody's, where there are any.
pub(super) fn at_routes(config: &Config, app: &App) -> Option<Table> {
    let with_limits = |route: &&Route| route.rule.limits != RouteBounds::default();
    let mut table = empty_table(&["requests", "session", "idle", "from", "absolute", "from"]);
    for route in app.routes.iter().filter(with_limits) {
        let setting = Setting {
            route: route.rule.limits,
            ..Setting::of_app(app.bounds)
        };
        for (who, limits) in of_everybody(&config.policy, setting) {
            table.add_row([vec![route.pattern.text(), who], cells(config, app, limits)].concat());
        }
    }
    (!table.is_empty()).then_some(table)
}

/// The limits of each role on each class of devices, where there are any; and of a longer one
/// than on other devices the reason.
pub(super) fn on_devices(config: &Config, app: &App) -> Option<Table> {
    let policy = &config.policy;
    let mut table = empty_table(&["session", "device", "idle", "from", "absolute", "from", ""]);
    for (index, role) in policy.roles.iter().enumerate() {
        let holder = Holder::Authenticated(std::slice::from_ref(&role.name));
        let elsewhere = on_device(policy, app, holder, None);
        for device in (0..policy.devices.len())
            .map(DeviceId::at)
            .map(Some)
            .chain([None])
        {
            let limits = on_device(policy, app, holder, device);
            let written = [limits, elsewhere].map(Resolved::written);
            let is_longer = |kind| written[0].of(kind).after > written[1].of(kind).after;
            let longer = LimitKind::BOTH.into_iter().find(|kind| is_longer(*kind));
            let reason =
                longer.and_then(|kind| config.lines.because((RoleId::at(index), device), kind));
            let first = vec![
                role.name.to_string(),
                policy.name_of_device(device).to_owned(),
            ];
            let reason = reason.map_or(String::new(), |reason| format!("longer: {reason}"));
            table.add_row([first, cells(config, app, limits), vec![reason]].concat());
        }
    }
    (!policy.devices.is_empty()).then_some(table)
}

fn on_device(policy: &Policy, app: &App, holder: Holder<'_>, device: Option<DeviceId>) -> Resolved {
    policy.resolve_both(Facts {
        holder,
        recorded: device,
        setting: Setting {
            seen: Seen::On(device),
            ..Setting::of_app(app.bounds)
        },
    })
}

fn of_everybody(policy: &Policy, setting: Setting) -> Vec<(String, Resolved)> {
    let of = |holder| {
        policy.resolve_both(Facts {
            holder,
            recorded: None,
            setting,
        })
    };
    let roles = policy.roles.iter().map(|role| {
        let held = std::slice::from_ref(&role.name);
        (role.name.to_string(), of(Holder::Authenticated(held)))
    });
    let others = [
        ("(no role known)", Holder::Authenticated(&[])),
        ("(no login)", Holder::Anonymous),
    ];
    let others = others.map(|(who, holder)| (who.to_owned(), of(holder)));
    roles.chain(others).collect()
}

/// For each limit, how long and by which rule; and where it is only watched, that.
fn cells(config: &Config, app: &App, limits: Resolved) -> Vec<String> {
    let cells = LimitKind::BOTH.map(|kind| {
        let limit = limits.written().of(kind);
        let after = humantime::format_duration(limit.after).to_string();
        let mut origin = origin(config, app, limit.rule, kind);
        if limit.after < limits.enforced.of(kind).after {
            origin.push_str(", only watched");
        }
        [after, origin]
    });
    cells.concat()
}

/// Which rule gave a limit, and on which line it stands.
pub(crate) fn origin(config: &Config, app: &App, rule: Rule, kind: LimitKind) -> String {
    let policy = &config.policy;
    let mut text = match rule {
        Rule::Ceiling => "ceiling".to_owned(),
        Rule::App => format!("app {}", app.name),
        Rule::Role(id, _) => format!("role {}", policy.name_of_role(id)),
        Rule::Unmapped(id, _) => format!("strictest role, {}", policy.name_of_role(id)),
        Rule::Device(id) => format!("device {}", policy.name_of_device(Some(id))),
        Rule::RoleAge(id) => format!("max_role_age of {}", policy.name_of_role(id)),
        Rule::Anonymous => "anonymous".to_owned(),
        Rule::Route(_) => "route".to_owned(),
        Rule::Adoption => format!("app {}, adopt_until", app.name),
        Rule::Monitor => return "monitor mode".to_owned(),
    };
    if let Rule::Role(id, device) | Rule::Unmapped(id, device) = rule {
        if device.is_some() {
            text.push_str(&format!(" on {}", policy.name_of_device(device)));
        }
        if let Some(giver) = config.lines.giver((id, device), kind) {
            text.push_str(&format!(" by {}", policy.name_of_role(giver)));
        }
    }
    match config.lines.of(&app.name, rule, kind) {
        Some(line) => text.push_str(&format!(", line {line}")),
        None => text.push_str(", default"),
    }
    text
}

/// How many sessions each role, and a user without any, may have at a time; where a rule says so.
pub(super) fn seats(config: &Config) -> Option<Table> {
    let policy = &config.policy;
    let mut table = empty_table(&["session", "max_sessions", "on_max_sessions", "from"]);
    let roles = policy.roles.iter().map(|role| {
        let held = std::slice::from_ref(&role.name);
        (role.name.as_str(), Holder::Authenticated(held))
    });
    let nobody_knows = ("(no role known)", Holder::Authenticated(&[]));
    for (who, holder) in roles.chain([nobody_knows]) {
        let [most, on, from] = match policy.seats(holder) {
            Some(seats) => [
                seats.limit.seats.to_string(),
                when_full(seats.limit).to_owned(),
                seats_origin(config, seats),
            ],
            None => ["any", "", ""].map(str::to_owned),
        };
        table.add_row([who.to_owned(), most, on, from]);
    }
    policy.limits_seats().then_some(table)
}

/// What a login means that is one too many, as the file says it.
pub(crate) fn when_full(limit: SeatLimit) -> &'static str {
    limit.when_full.word()
}

/// Which rule gave a number of sessions, and on which line it stands.
pub(crate) fn seats_origin(config: &Config, seats: Seats) -> String {
    let policy = &config.policy;
    let mut text = match seats.rule {
        Rule::Role(id, _) => format!("role {}", policy.name_of_role(id)),
        Rule::Unmapped(id, _) => format!("strictest role, {}", policy.name_of_role(id)),
        _ => "ceiling".to_owned(),
    };
    if let Rule::Role(id, _) | Rule::Unmapped(id, _) = seats.rule
        && let Some(giver) = config.lines.seats_giver(id)
    {
        text.push_str(&format!(" by {}", policy.name_of_role(giver)));
    }
    if let Some(line) = config.lines.of_seats(seats.rule) {
        text.push_str(&format!(", line {line}"));
    }
    text
}
