//! The policy as it applies, in text tables: what `curfew check` prints of a good file.
//!
//! Every limit comes from `Policy::resolve`, so that the table shows what the gateway does.

use comfy_table::Table;
use comfy_table::presets::ASCII_FULL_CONDENSED;

use crate::domain::access::{Access, Activity};
use crate::domain::limits::{LimitKind, Limits, RouteBounds, Rule};
use crate::domain::policy::Policy;
use crate::domain::resolve::{Facts, Holder, Setting};

use super::Config;
use super::app::{App, HostPattern, LoginRecipe, Page, Route, RouteRule};
use super::value::Words;

/// The limits of every app and role with the rules they come from, and every app's routes.
pub fn tables(config: &Config) -> String {
    let mut out = format!("policy {}\n", config.policy.version);
    for app in &config.apps {
        out.push('\n');
        out.push_str(&heading(app));
        out.push('\n');
        out.push_str(&limits(config, app).to_string());
        out.push('\n');
        if let Some(table) = route_limits(config, app) {
            out.push_str(&table.to_string());
            out.push('\n');
        }
        out.push_str(&routes(app).to_string());
        out.push('\n');
    }
    out
}

fn heading(app: &App) -> String {
    let host = |pattern: &HostPattern| match pattern {
        HostPattern::Exact(name) => name.clone(),
        HostPattern::Suffix(suffix) => format!("*{suffix}"),
    };
    let hosts: Vec<String> = app.hosts.iter().map(host).collect();
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

fn limits(config: &Config, app: &App) -> Table {
    let mut table = empty_table(&["session", "idle", "from", "absolute", "from"]);
    let setting = Setting::of_app(app.bounds);
    for (who, limits) in of_everybody(&config.policy, setting) {
        let [idle, absolute] = LimitKind::BOTH.map(|kind| cells(config, app, &limits, kind));
        table.add_row([vec![who], idle, absolute].concat());
    }
    table
}

/// What the routes with limits of their own make of everybody's, where there are any.
fn route_limits(config: &Config, app: &App) -> Option<Table> {
    let with_limits = |route: &&Route| route.rule.limits != RouteBounds::default();
    let mut table = empty_table(&["requests", "session", "idle", "from", "absolute", "from"]);
    for route in app.routes.iter().filter(with_limits) {
        let setting = Setting {
            app: app.bounds,
            route: route.rule.limits,
        };
        for (who, limits) in of_everybody(&config.policy, setting) {
            let [idle, absolute] = LimitKind::BOTH.map(|kind| cells(config, app, &limits, kind));
            table.add_row([vec![route.pattern.text(), who], idle, absolute].concat());
        }
    }
    (!table.is_empty()).then_some(table)
}

/// The limits of each role, of a user without any, and of a visitor.
fn of_everybody(policy: &Policy, setting: Setting) -> Vec<(String, Limits)> {
    let of = |holder| policy.resolve(Facts { holder, setting });
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

/// How long, and by which rule.
fn cells(config: &Config, app: &App, limits: &Limits, kind: LimitKind) -> Vec<String> {
    let limit = limits.of(kind);
    let after = humantime::format_duration(limit.after).to_string();
    vec![after, origin(config, app, limit.rule, kind)]
}

/// Which rule gave a limit, and on which line it stands.
pub(crate) fn origin(config: &Config, app: &App, rule: Rule, kind: LimitKind) -> String {
    let policy = &config.policy;
    let mut text = match rule {
        Rule::Ceiling => "ceiling".to_owned(),
        Rule::App => format!("app {}", app.name),
        Rule::Role(id) => format!("role {}", policy.name_of_role(id)),
        Rule::Unmapped(id) => format!("strictest role, {}", policy.name_of_role(id)),
        Rule::Anonymous => "anonymous".to_owned(),
        Rule::Route(_) => "route".to_owned(),
        Rule::Adoption => format!("app {}, adopt_until", app.name),
    };
    if let Rule::Role(id) | Rule::Unmapped(id) = rule
        && let Some(giver) = config.lines.giver(id, kind)
    {
        text.push_str(&format!(" by {}", policy.name_of_role(giver)));
    }
    match config.lines.of(&app.name, rule, kind) {
        Some(line) => text.push_str(&format!(", line {line}")),
        None => text.push_str(", default"),
    }
    text
}

fn routes(app: &App) -> Table {
    let mut table = empty_table(&["requests", "access", "activity", "stale", ""]);
    let login = RouteRule {
        access: Access::Public,
        activity: Activity::Active,
        on_stale: app.fallback.on_stale,
        limits: RouteBounds::default(),
    };
    for recipe in &app.logins {
        table.add_row(route(&recipe.pattern.text(), login, &login_note(recipe)));
        if let Page::At(page) = &recipe.page {
            table.add_row(route(page, login, "login page"));
        }
    }
    for one in &app.routes {
        table.add_row(route(&one.pattern.text(), one.rule, ""));
    }
    table.add_row(route("everything else", app.fallback, ""));
    table
}

fn route(requests: &str, rule: RouteRule, note: &str) -> [String; 5] {
    // Public requests are always stripped of what is stale.
    let stale = match rule.access {
        Access::Public => "strip",
        Access::Session | Access::Authenticated => rule.on_stale.word(),
    };
    [
        requests,
        rule.access.word(),
        rule.activity.word(),
        stale,
        note,
    ]
    .map(str::to_owned)
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
"#;

    fn shown() -> String {
        let surroundings = Surroundings {
            base_dir: Path::new(""),
            environment: &|_| None,
            read_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
            process_key: b"key",
        };
        let loaded = parse(POLICY, "curfew.toml", &surroundings).unwrap();
        tables(&loaded.config)
    }

    /// A line of the tables, as its cells.
    #[track_caller]
    fn has_row(cells: &[&str]) {
        let shown = shown();
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
            "route, line 35",
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
    fn an_app_is_headed_by_where_it_answers() {
        assert!(shown().contains("orders: *.example.com/orders/ -> http://10.0.0.1:80\n"));
    }
}
