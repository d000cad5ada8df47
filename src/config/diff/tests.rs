use super::{CHANGES_MAX, Change, Diff, MEMBERS_MAX, diff};
use crate::config::Config;
use crate::config::load::{parse, parse_alone};
use crate::config::surroundings::Surroundings;

const POLICY: &str = r#"
[[listeners]]
address = "127.0.0.1:8080"
[roles.buyer]
idle = "15m"
absolute = "8h"
users = ["b1", "b2"]
[roles.approver]
idle = "5m"
absolute = "4h"
groups = ["chiefs"]
[roles.deputy]
extends = "approver"
users = ["d1"]
[[apps]]
name = "orders"
hosts = ["orders.example.com"]
upstreams = ["http://10.0.0.1:80"]
[apps.session]
id = "cookie:SID"
[[apps.logins]]
path = "/login"
user = "form:user"
groups = "claim:/roles in answer-cookie:token"
success = { status = [302], new_session = true }
[[apps.logouts]]
path = "/logout"
[[apps.routes]]
path = "/poll"
activity = "passive"
[[apps.routes]]
path = "/pay/**"
methods = ["POST"]
idle = "2m"
"#;

fn config(text: &str) -> Config {
    let loaded = parse_alone(text, "curfew.toml");
    loaded.unwrap_or_else(|faults| panic!("{faults}")).config
}

fn edited(edits: &[(&str, &str)]) -> Diff {
    let mut text = POLICY.to_owned();
    for (old, new) in edits {
        assert!(text.contains(old), "{old}");
        text = text.replacen(old, new, 1);
    }
    diff(&config(POLICY), &config(&text))
}

fn change(key: &str, before: &str, after: &str, line: usize) -> Change {
    let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Change {
        key: key.to_owned(),
        before: some(before),
        after: some(after),
        line: (line > 0).then_some(line),
        at_a_start: false,
    }
}

#[track_caller]
fn changes(edits: &[(&str, &str)], expected: &[Change]) {
    let told = edited(edits);
    assert_eq!(told.changes, expected);
    assert_eq!(told.left_out, 0);
}

#[test]
fn what_is_only_written_otherwise_does_not_change() {
    let edits = [
        ("\"15m\"", "\"900s\" # longer?"),
        ("[\"b1\", \"b2\"]", "[\"b2\", \"b1\"]"),
        ("absolute = \"4h\"", "\n\nabsolute = \"4h\""),
    ];
    assert!(edited(&edits).is_empty());
}

#[test]
fn a_limit_tells_both_values_and_its_line() {
    let expected = [change("roles.buyer.idle", "15m", "10m", 4)];
    changes(&[("\"15m\"", "\"10m\"")], &expected);
}

#[test]
fn an_inherited_limit_changes_for_all_who_have_it() {
    let expected = [
        change("roles.approver.idle", "5m", "3m", 8),
        change("roles.deputy.idle", "5m", "3m", 8),
    ];
    changes(&[("\"5m\"", "\"3m\"")], &expected);
}

#[test]
fn members_are_told_one_by_one() {
    let expected = [
        change("roles.buyer.users", "b1", "", 4),
        change("roles.buyer.users", "", "b3", 4),
        change("roles.approver.groups", "", "vips", 8),
    ];
    let edits = [
        ("\"b1\", \"b2\"", "\"b2\", \"b3\""),
        ("\"chiefs\"", "\"chiefs\", \"vips\""),
    ];
    changes(&edits, &expected);
}

#[test]
fn limits_are_told_before_apps_and_a_new_table_setting_by_setting() {
    let edits = [
        ("[[listeners]]", "[ceiling]\nidle = \"10m\"\n[[listeners]]"),
        ("http://10.0.0.1:80", "http://10.0.0.2:80"),
    ];
    let told = edited(&edits).changes;
    assert_eq!(told[0], change("ceiling.idle", "", "10m", 2));
    let upstreams = &told[told.len() - 1];
    assert_eq!(upstreams.key, "apps.orders.upstreams");
}

#[test]
fn a_token_is_told_with_all_that_it_says() {
    let token = "[apps.token]\nrenew_every = \"20m\"\nheader = \"x-token\"\n[apps.session]";
    let told = edited(&[("[apps.session]", token)]).changes;
    let expected = "cookie curfew-orders, header x-token, renew_every 20m, overlap 30s";
    assert_eq!(told, [change("apps.orders.token", "", expected, 15)]);
}

#[test]
fn a_role_that_goes_is_told_without_a_line() {
    let gone = "[roles.deputy]\nextends = \"approver\"\nusers = [\"d1\"]\n";
    let expected = [
        change("roles.deputy.idle", "5m", "", 0),
        change("roles.deputy.absolute", "4h", "", 0),
        change("roles.deputy.mode", "enforce", "", 0),
        change("roles.deputy.users", "d1", "", 0),
    ];
    changes(&[(gone, "")], &expected);
}

#[test]
fn routes_and_recipes_are_told_in_one_line_each() {
    let rule = "authenticated, active, refuse, idle";
    let work = "work_max 30m, work_drain 2m";
    let route = change(
        "apps.orders.routes POST /pay/**",
        &format!("{rule} 2m, {work}"),
        &format!("{rule} 1m, absolute 1h, {work}"),
        31,
    );
    changes(&[("\"2m\"", "\"1m\"\nabsolute = \"1h\"")], &[route]);
    let login =
        "POST /login, user form:user, groups claim:/roles in answer-cookie:token, success { status";
    let login = change(
        "apps.orders.logins /login",
        &format!("{login} 302, new_session }}"),
        &format!("{login} 302 303, new_session }}"),
        15,
    );
    changes(&[("[302]", "[302, 303]")], &[login]);
    let logouts = [
        change("apps.orders.logouts", "/logout", "", 15),
        change("apps.orders.logouts", "", "/bye", 15),
    ];
    changes(&[("\"/logout\"", "\"/bye\"")], &logouts);
}

#[test]
fn devices_and_standards_are_told_too() {
    let classes = r#"
[devices.mobile]
when = [{ user_agent = ["iPhone"] }]
idle = "10m"
[roles.buyer.devices.mobile]
idle = "8m"
[[standards]]
name = "hipaa"
"#;
    let with = |edits: &[(&str, &str)]| {
        let text = edits.iter().fold(classes.to_owned(), |text, (old, new)| {
            text.replace(old, new)
        });
        config(&format!("{POLICY}{text}"))
    };
    let edits = [
        ("8m", "7m"),
        ("10m", "9m"),
        ("iPhone", "Android*Mobile"),
        ("hipaa", "fedramp"),
    ];
    let told = diff(&with(&[]), &with(&edits)).changes;
    let keys: Vec<_> = told.iter().map(|change| change.key.as_str()).collect();
    let expected = [
        "roles.buyer.devices.mobile.idle",
        "devices.mobile.idle",
        "devices.mobile.when",
        "devices.mobile.when",
        "standards fedramp",
        "standards hipaa",
    ];
    assert_eq!(keys, expected);
    assert_eq!(
        told[0],
        change("roles.buyer.devices.mobile.idle", "8m", "7m", 39)
    );
    assert_eq!(told[3].after.as_deref(), Some("user_agent Android*Mobile"));
}

#[test]
fn another_order_of_routes_is_a_change_since_the_first_that_matches_wins() {
    let poll = "[[apps.routes]]\npath = \"/poll\"\nactivity = \"passive\"\n";
    let text = format!("{}{poll}", POLICY.replace(poll, ""));
    let told = diff(&config(POLICY), &config(&text));
    let order = change(
        "apps.orders.routes",
        "/poll, POST /pay/**",
        "POST /pay/**, /poll",
        15,
    );
    assert_eq!(told.changes, [order]);
}

#[test]
fn a_secret_only_changes() {
    let with = |key: &'static str| {
        let surroundings = Surroundings {
            base_dir: std::path::Path::new(""),
            environment: &|_| Some(key.repeat(32)),
            read_file: &|_| Err(std::io::ErrorKind::NotFound.into()),
            process_key: b"key",
        };
        let text = format!(
            "[store]\nurl = \"redis://:{key}@h:1\"\nkeys = \"env:K\"\n\
             [admin]\naddress = \"127.0.0.1:1\"\ntoken = \"env:T\"\n{POLICY}"
        );
        let loaded = parse(&text, "curfew.toml", &surroundings);
        loaded.unwrap_or_else(|faults| panic!("{faults}")).config
    };
    let told = diff(&with("a7"), &with("b8"));
    let keys: Vec<_> = told
        .changes
        .iter()
        .map(|change| (&*change.key, change.at_a_start))
        .collect();
    assert_eq!(
        keys,
        [
            ("store.keys", false),
            ("admin.token", true),
            ("store.url", true)
        ]
    );
    for change in told.changes {
        assert_eq!(change.before.as_deref(), Some("(secret)"));
        assert_eq!(change.after.as_deref(), Some("(secret)"));
    }
}

#[test]
fn what_is_taken_up_at_a_start_alone_says_so() {
    let told = edited(&[("127.0.0.1:8080", "127.0.0.1:8081")]);
    let told: Vec<_> = told
        .changes
        .iter()
        .map(|change| (&*change.key, change.at_a_start))
        .collect();
    assert_eq!(told, [("listeners", true), ("listeners", true)]);
}

#[test]
fn a_long_list_and_a_long_diff_are_counted_beyond_their_bounds() {
    let users: Vec<String> = (0..MEMBERS_MAX + 7).map(|n| format!("\"u{n}\"")).collect();
    let told = edited(&[(
        "\"b1\", \"b2\"",
        &format!("\"b1\", \"b2\", {}", users.join(",")),
    )]);
    assert_eq!((told.changes.len(), told.left_out), (MEMBERS_MAX, 7));

    let routes: String = (0..CHANGES_MAX + 5)
        .map(|n| format!("[[apps.routes]]\npath = \"/r{n}\"\n"))
        .collect();
    let told = diff(&config(POLICY), &config(&format!("{POLICY}{routes}")));
    assert_eq!((told.changes.len(), told.left_out), (CHANGES_MAX, 5));
}

#[test]
fn a_long_value_is_shortened() {
    let long = "x".repeat(1_000);
    let refusal = format!("{POLICY}[apps.refusal.script]\nbody = \"{long}\"\n");
    let told = diff(&config(POLICY), &config(&refusal));
    let after = told.changes[0].after.as_deref().unwrap();
    assert!(
        after.ends_with('…') && after.chars().count() == 201,
        "{after}"
    );
}

#[test]
fn no_change_behind_what_is_shown_of_a_long_value_looks_like_none() {
    let of = |end: &str| {
        let body = format!("{}{end}", "x".repeat(1_000));
        config(&format!(
            "{POLICY}[apps.refusal.script]\nbody = \"{body}\"\n"
        ))
    };
    let told = diff(&of("old"), &of("new"));
    let change = &told.changes[0];
    let [before, after] = [&change.before, &change.after].map(|text| text.clone().unwrap());
    assert!(
        before.starts_with("…xxx") && before.contains("xold"),
        "{before}"
    );
    assert!(
        after.starts_with("…xxx") && after.contains("xnew"),
        "{after}"
    );
    assert!(after.chars().count() <= 202, "{after}");
}

#[test]
fn no_order_of_recipes_changes_in_silence() {
    let form = "[[apps.logins]]\npath = \"/login\"\nuser = \"form:user\"\n\
                groups = \"claim:/roles in answer-cookie:token\"\n\
                success = { status = [302], new_session = true }\n";
    let api = "[[apps.logins]]\npath = \"/api\"\nsuccess = { new_session = true }\n";
    let outs = [
        "[[apps.logouts]]\npath = \"/logout\"\n",
        "[[apps.logouts]]\npath = \"/exit\"\n",
    ];
    let with = |logins: String, logouts: String| {
        assert!(POLICY.contains(form) && POLICY.contains(outs[0]));
        config(
            &POLICY
                .replacen(form, &logins, 1)
                .replacen(outs[0], &logouts, 1),
        )
    };
    let before = with(format!("{form}{api}"), outs.concat());
    let after = with(format!("{api}{form}"), format!("{}{}", outs[1], outs[0]));
    let told = diff(&before, &after);
    let keys: Vec<_> = told.changes.iter().map(|change| &*change.key).collect();
    assert_eq!(
        keys,
        [
            "apps.orders.order of logins",
            "apps.orders.order of logouts"
        ]
    );
}
