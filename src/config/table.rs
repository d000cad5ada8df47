//! The policy as it applies, in text tables: what `curfew check` prints of a good file.
//!
//! Every limit comes from `Policy::resolve`, so that the table shows what the gateway does.

mod limits;

pub(crate) use limits::{origin, seats_origin, when_full};

use comfy_table::Table;
use comfy_table::presets::ASCII_FULL_CONDENSED;

use crate::domain::access::{Access, Activity};
use crate::domain::limits::RouteBounds;

use super::Config;
use super::app::{App, LoginRecipe, Page, RouteRule, WorkLimits};
use super::defaults;
use super::passive::Preset;
use super::spelled::{duration, duration_or_off};
use super::token::TokenCarrier;
use super::value::Words;

/// The limits of every app and role with the rules they come from; what its routes and devices
/// make of them, where they do; and every app's routes.
pub fn tables(config: &Config) -> String {
    let mut out = format!("policy {}\n", config.policy.version);
    for app in &config.apps {
        out.push('\n');
        out.push_str(&heading(app));
        out.push('\n');
        let others = [
            limits::at_routes(config, app),
            limits::on_devices(config, app),
            limits::seats(config),
            Some(routes(app)),
            work(app),
            passivity(app),
            token(app),
        ];
        let tables = [Some(limits::of_sessions(config, app))].into_iter();
        for table in tables.chain(others).flatten() {
            out.push_str(&table.to_string());
            out.push('\n');
        }
    }
    out
}

fn heading(app: &App) -> String {
    let hosts: Vec<String> = app.hosts.iter().map(ToString::to_string).collect();
    let hosts = match hosts.is_empty() {
        true => "every host".to_owned(),
        false => hosts.join(", "),
    };
    let upstreams = app.upstreams.iter();
    let upstreams: Vec<String> = upstreams
        .map(|to| format!("http://{}", to.authority))
        .collect();
    format!(
        "{}: {hosts}{}/ -> {}",
        app.name,
        app.prefix,
        upstreams.join(", ")
    )
}

fn routes(app: &App) -> Table {
    let mut table = empty_table(&["requests", "access", "activity", "stale", ""]);
    let login = RouteRule {
        access: Access::Public,
        activity: Activity::Active,
        on_stale: app.fallback.on_stale,
        limits: RouteBounds::default(),
        work: app.fallback.work,
        max_auth_age: None,
    };
    for recipe in &app.logins {
        table.add_row(route(&recipe.pattern.text(), login, &login_note(recipe)));
        if let Page::At(page) = &recipe.page {
            table.add_row(route(page, login, "login page"));
        }
    }
    for one in &app.routes {
        let age = one.rule.max_auth_age.map(humantime::format_duration);
        let note = age.map_or(String::new(), |age| format!("login newer than {age}"));
        table.add_row(route(&one.pattern.text(), one.rule, &note));
    }
    table.add_row(route("everything else", app.fallback, ""));
    table
}

fn route(requests: &str, rule: RouteRule, note: &str) -> [String; 5] {
    let [access, activity, stale] = rule.words();
    [requests, access, activity, stale, note].map(str::to_owned)
}

/// How long running work holds the idle clock and may outlast the absolute timeout, where that is
/// not the default.
fn work(app: &App) -> Option<Table> {
    let default = WorkLimits {
        max: defaults::WORK_MAX,
        drain: defaults::WORK_DRAIN,
    };
    let mut table = empty_table(&["requests", "work_max", "work_drain"]);
    let routes = app.routes.iter();
    let ruled = routes.map(|route| (route.pattern.text(), route.rule.work));
    for (requests, work) in ruled.chain([("everything else".to_owned(), app.fallback.work)]) {
        if work != default {
            let [max, drain] = [work.max, work.drain].map(duration_or_off);
            table.add_row([requests, max, drain]);
        }
    }
    (!table.is_empty()).then_some(table)
}

/// What of its traffic is passive beyond its routes, and which frames are a person's.
fn passivity(app: &App) -> Option<Table> {
    let of = |preset: Option<Preset>| match preset {
        Some(preset) => format!("preset {}", preset.word()),
        None => String::new(),
    };
    let mut table = empty_table(&["whatever the route", "activity", ""]);
    for rule in &app.passivity.requests {
        table.add_row([rule.text(), "passive".to_owned(), of(rule.preset)]);
    }
    for rule in &app.passivity.frames {
        let frames = format!("{} frames: {}", rule.path.text, rule.text());
        table.add_row([frames, "active".to_owned(), of(rule.preset)]);
    }
    (table.row_count() > 0).then_some(table)
}

/// Its companion token, where it has one.
fn token(app: &App) -> Option<Table> {
    let TokenCarrier {
        plain,
        secured,
        header,
        renewal,
    } = app.token.as_ref()?;
    let mut table = empty_table(&[
        "companion token",
        "over TLS",
        "header",
        "renewed every",
        "overlap",
    ]);
    let header = header.as_ref().map_or("", |name| name.as_str());
    let spans = [renewal.every, renewal.overlap].map(duration);
    table.add_row([plain, secured, header, &spans[0], &spans[1]]);
    Some(table)
}

fn login_note(recipe: &LoginRecipe) -> String {
    match &recipe.page {
        Page::Same => "login; its page is the protected page".to_owned(),
        Page::At(_) | Page::None => "login".to_owned(),
    }
}

fn empty_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_FULL_CONDENSED);
    table.set_header(header);
    table
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::tables;
    use crate::config::load::parse;
    use crate::config::surroundings::Surroundings;

    const POLICY: &str = r#"
[[listeners]]
address = "127.0.0.1:8080"
[ceiling]
idle = "10m"
[roles.buyer]
idle = "10m"
absolute = "8h"
users = ["b"]
[roles.approver]
idle = "5m"
absolute = "4h"
users = ["a"]
[roles.deputy]
extends = "approver"
absolute = "1h"
users = ["d"]
[[apps]]
name = "orders"
hosts = ["*.example.com"]
prefix = "/orders"
upstreams = ["http://10.0.0.1"]
absolute = "6h"
presets = ["prefetch", "stomp"]
[apps.session]
id = "cookie:SID"
[[apps.logins]]
path = "/orders/"
query = { do = "login" }
page = "/orders/login"
success = { new_session = true }
[[apps.routes]]
path = "/orders/poll"
headers = { x-poll = "*" }
activity = "passive"
[[apps.routes]]
path = "/orders/approve/**"
methods = ["POST"]
idle = "7m"
[[apps.passive]]
path = "/orders/ws/**"
methods = ["GET"]
status = [304]
[[apps.person_frames]]
path = "/orders/ws/**"
min_bytes = 20
json = { "/type" = "edit" }
json_not = { "/auto" = true }
[devices.depot]
when = [{ networks = ["10.0.0.0/8"] }]
absolute = "3h"
[roles.approver.devices.depot]
idle = "8m"
because = "the depot is locked"
"#;

    /// The same, where sessions are counted and work is limited.
    fn counted() -> String {
        POLICY
            .replace("[\"d\"]", "[\"d\"]\nmax_sessions = 2")
            .replace(
                "[\"a\"]",
                "[\"a\"]\nmax_sessions = 3\non_max_sessions = \"refuse\"",
            )
            .replace(
                "[\"POST\"]",
                "[\"POST\"]\nwork_max = \"5m\"\nwork_drain = \"off\"",
            )
    }

    fn shown() -> String {
        shown_of(POLICY)
    }

    fn shown_of(policy: &str) -> String {
        let surroundings = Surroundings {
            base_dir: Path::new(""),
            environment: &|_| None,
            read_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
            process_key: b"key",
        };
        let loaded = parse(policy, "curfew.toml", &surroundings).unwrap();
        tables(&loaded.config)
    }

    /// A line of the tables, as its cells.
    #[track_caller]
    fn has_row(cells: &[&str]) {
        is_a_row_of(&shown(), cells);
    }

    #[track_caller]
    fn is_a_row_of(shown: &str, cells: &[&str]) {
        let found = shown.lines().any(|line| {
            let line: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            line == cells
        });
        assert!(found, "no row {cells:?} in\n{shown}");
    }

    #[test]
    fn each_limit_names_its_rule_and_line() {
        has_row(&[
            "buyer",
            "10m",
            "role buyer, line 6",
            "6h",
            "app orders, line 18",
        ]);
        has_row(&[
            "approver",
            "5m",
            "role approver, line 10",
            "4h",
            "role approver, line 10",
        ]);
        has_row(&[
            "(no role known)",
            "5m",
            "strictest role, approver, line 10",
            "1h",
            "strictest role, deputy, line 14",
        ]);
        has_row(&[
            "(no login)",
            "10m",
            "ceiling, line 4",
            "2h",
            "anonymous, default",
        ]);
    }

    #[test]
    fn an_inherited_limit_names_who_has_it_and_where_it_is_written() {
        has_row(&[
            "deputy",
            "5m",
            "role deputy by approver, line 10",
            "1h",
            "role deputy, line 14",
        ]);
    }

    #[test]
    fn a_route_with_limits_of_its_own_shows_what_it_makes_of_everybodys() {
        let route = "POST /orders/approve/**";
        has_row(&[
            route,
            "buyer",
            "7m",
            "route, line 36",
            "6h",
            "app orders, line 18",
        ]);
        has_row(&[
            route,
            "approver",
            "5m",
            "role approver, line 10",
            "4h",
            "role approver, line 10",
        ]);
    }

    #[test]
    fn each_role_has_a_row_for_each_class_and_a_longer_limit_its_reason() {
        has_row(&[
            "approver",
            "depot",
            "8m",
            "role approver on depot, line 52",
            "3h",
            "device depot, line 49",
            "longer: the depot is locked",
        ]);
        has_row(&[
            "approver",
            "other",
            "5m",
            "role approver, line 10",
            "4h",
            "role approver, line 10",
            "",
        ]);
        has_row(&[
            "deputy",
            "depot",
            "8m",
            "role deputy on depot by approver, line 52",
            "1h",
            "role deputy, line 14",
            "longer: the depot is locked",
        ]);
    }

    #[test]
    fn a_limit_that_is_only_watched_is_shown_as_such() {
        let watched = POLICY.replace("[roles.approver]", "[roles.approver]\nmode = \"monitor\"");
        let loaded = crate::config::load::parse_alone(&watched, "curfew.toml").unwrap();
        let shown = tables(&loaded.config);
        let row = shown.lines().find(|line| line.starts_with("| approver "));
        let cells: Vec<&str> = row
            .unwrap()
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        assert_eq!(cells[1..3], ["5m", "role approver, line 10, only watched"]);
        assert_eq!(cells[3..], ["4h", "role approver, line 10, only watched"]);
    }

    #[test]
    fn routes_stand_in_the_order_in_which_they_are_tried() {
        has_row(&[
            "POST /orders/?do=login",
            "public",
            "active",
            "strip",
            "login",
        ]);
        has_row(&["/orders/login", "public", "active", "strip", "login page"]);
        has_row(&[
            "/orders/poll x-poll: *",
            "authenticated",
            "passive",
            "refuse",
            "",
        ]);
        has_row(&["everything else", "authenticated", "active", "refuse", ""]);
    }

    #[test]
    fn what_is_passive_whatever_its_route_says_is_shown_with_what_a_preset_stands_for() {
        has_row(&["GET /orders/ws/** answered 304", "passive", ""]);
        has_row(&["/** sec-purpose: prefetch*", "passive", "preset prefetch"]);
        let frames = r#"/** frames: text, begins with "SEND\n""#;
        has_row(&[frames, "active", "preset stomp"]);
        let own =
            "/orders/ws/** frames: text, 20 bytes or more, /type is \"edit\", /auto is not true";
        has_row(&[own, "active", ""]);
    }

    #[test]
    fn how_many_sessions_is_shown_for_every_role_where_it_is_counted() {
        let shown = shown_of(&counted());
        for cells in [
            ["buyer", "any", "", ""],
            ["approver", "3", "refuse", "role approver, line 10"],
            ["deputy", "2", "refuse", "role deputy, line 16"],
            [
                "(no role known)",
                "2",
                "refuse",
                "strictest role, deputy, line 16",
            ],
        ] {
            is_a_row_of(&shown, &cells);
        }
        assert!(!shown_of(POLICY).contains("max_sessions"));
    }

    #[test]
    fn limits_of_work_are_shown_where_they_are_not_the_default() {
        let shown = shown_of(&counted());
        is_a_row_of(&shown, &["POST /orders/approve/**", "5m", "off"]);
        assert!(!shown_of(POLICY).contains("work_max"));
        let app = "prefix = \"/orders\"";
        let own = POLICY.replace(app, &format!("{app}\nwork_max = \"1h\""));
        is_a_row_of(&shown_of(&own), &["everything else", "1h", "2m"]);
    }

    #[test]
    fn an_app_is_headed_by_where_it_answers() {
        assert!(shown().contains("orders: *.example.com/orders/ -> http://10.0.0.1:80\n"));
    }
}
