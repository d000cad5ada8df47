//! The policy as it applies, in text tables: what `curfew check` prints of a good file.
//!
//! Every limit comes from `Policy::resolve`, so that the table shows what the gateway does.

use std::fmt::Write;
use std::time::Duration;

use comfy_table::Table;
use comfy_table::presets::ASCII_FULL_CONDENSED;

use crate::domain::access::{Access, Activity};
use crate::domain::limits::{Limit, Rule};
use crate::domain::policy::Holder;

use super::Config;
use super::app::{App, HostPattern, LoginRecipe, Page, RequestPattern, RouteRule};
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
    let mut row = |who: &str, holder: Holder<'_>| {
        let limits = config.policy.resolve(app.bounds, holder);
        table.add_row([
            who.to_owned(),
            after(&limits.idle),
            origin(config, app, &limits.idle.rule),
            after(&limits.absolute),
            origin(config, app, &limits.absolute.rule),
        ]);
    };
    for role in &config.policy.roles {
        row(
            role.name.as_str(),
            Holder::Authenticated(std::slice::from_ref(&role.name)),
        );
    }
    row("(no role known)", Holder::Authenticated(&[]));
    row("(no login)", Holder::Anonymous);
    table
}

fn after(limit: &Limit) -> String {
    spelled(limit.after)
}

fn spelled(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

/// Which rule gave a limit, and on which line it stands.
fn origin(config: &Config, app: &App, rule: &Rule) -> String {
    let mut text = match rule {
        Rule::Ceiling => "ceiling".to_owned(),
        Rule::App => format!("app {}", app.name),
        Rule::Role(name) => format!("role {name}"),
        Rule::Unmapped(name) => format!("strictest role, {name}"),
        Rule::Anonymous => "anonymous".to_owned(),
        Rule::Adoption => format!("app {}, adopt_until", app.name),
    };
    match config.lines.of(&app.name, rule) {
        Some(line) => write!(text, ", line {line}"),
        None => write!(text, ", default"),
    }
    .expect("writing to a String cannot fail");
    text
}

fn routes(app: &App) -> Table {
    let mut table = empty_table(&["requests", "access", "activity", "stale", ""]);
    let login = RouteRule {
        access: Access::Public,
        activity: Activity::Active,
        on_stale: app.fallback.on_stale,
    };
    for recipe in &app.logins {
        table.add_row(route(&pattern(&recipe.pattern), login, &login_note(recipe)));
        if let Page::At(page) = &recipe.page {
            table.add_row(route(page, login, "login page"));
        }
    }
    for one in &app.routes {
        table.add_row(route(&pattern(&one.pattern), one.rule, ""));
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

/// Which requests are meant, in one line: methods, path, query, headers.
fn pattern(pattern: &RequestPattern) -> String {
    let mut text = String::new();
    for method in &pattern.methods {
        text.push_str(method.as_str());
        text.push(' ');
    }
    text.push_str(&pattern.path_and_query());
    for (name, value) in &pattern.headers {
        let value = value.as_deref().unwrap_or("*");
        text.push_str(&format!(" {name}: {value}"));
    }
    text
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
            "app orders, line 14",
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
            "4h",
            "strictest role, approver, line 10",
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
