use super::request::{Described, Unanswerable};
use super::{CandidateSaid, Explanation, Outcome, Who, explain};
use crate::config::Config;
use crate::config::load::parse_alone;
use crate::domain::device::Seen;
use crate::domain::policy::RoleName;
use crate::domain::resolve::Holder;

const POLICY: &str = r#"
[[listeners]]
address = "127.0.0.1:8080"
[ceiling]
idle = "20m"
[roles.buyer]
idle = "15m"
absolute = "8h"
users = ["b"]
[roles.approver]
idle = "5m"
absolute = "4h"
users = ["a"]
[[apps]]
name = "orders"
prefix = "/orders"
upstreams = ["http://10.0.0.1"]
absolute = "4h"
[apps.session]
id = "cookie:SID"
[[apps.logins]]
path = "/orders/login"
page = "/orders/form"
success = { new_session = true }
[[apps.routes]]
path = "/orders/find"
query = { mode = "bulk" }
idle = "3m"
[[apps.routes]]
path = "/orders/find"
idle = "10m"
on_stale = "strip"
[[apps.routes]]
path = "/orders/assets/**"
access = "public"
"#;

fn config() -> Config {
    parse_alone(POLICY, "curfew.toml").unwrap().config
}

fn of(holder: Holder<'_>, request: Option<&Described>) -> Result<Explanation, Unanswerable> {
    let config = config();
    let who = Who::Anybody {
        holder,
        device: Seen::Nobody,
    };
    explain(&config, &config.apps[0], who, request)
}

fn held_by(roles: &[&str]) -> Explanation {
    let roles: Vec<_> = roles.iter().map(|role| RoleName::new(role)).collect();
    of(Holder::Authenticated(&roles), None).unwrap()
}

fn asked(method: &str, target: &str) -> Result<Explanation, Unanswerable> {
    let request = Described::new(target, Some(method), &[""; 0]).unwrap();
    let roles = [RoleName::new("buyer")];
    of(Holder::Authenticated(&roles), Some(&request))
}

#[track_caller]
fn candidate<'a>(explanation: &'a Explanation, rule: &str) -> &'a CandidateSaid {
    let mut found = explanation
        .candidates
        .iter()
        .filter(|said| said.rule == rule);
    let one = found.next();
    assert!(found.next().is_none(), "{rule} is told twice");
    one.unwrap_or_else(|| panic!("no {rule} in {:#?}", explanation.candidates))
}

#[track_caller]
fn why(outcome: Option<&Outcome>) -> &str {
    &outcome.unwrap().why
}

#[test]
fn the_shortest_of_all_that_apply_wins_and_the_others_say_by_what_they_lose() {
    let both = held_by(&["buyer", "approver"]);
    assert_eq!(
        (&*both.idle.after, &*both.idle.rule),
        ("5m", "role approver")
    );
    assert_eq!(both.idle.line, Some(10));
    let approver = candidate(&both, "role approver");
    assert!(approver.applies && approver.idle.as_ref().unwrap().wins);
    let buyer = candidate(&both, "role buyer");
    assert_eq!(why(buyer.idle.as_ref()), "loses: 15m > 5m of role approver");
    assert_eq!(buyer.idle.as_ref().unwrap().line, Some(6));
    let ceiling = candidate(&both, "ceiling");
    assert_eq!(
        why(ceiling.idle.as_ref()),
        "loses: 20m > 5m of role approver"
    );
    assert_eq!(ceiling.absolute, None);
}

#[test]
fn of_two_that_say_the_same_the_second_gives_way() {
    let app = held_by(&["approver"]);
    let app = candidate(&app, "app").absolute.as_ref().unwrap();
    assert!(!app.wins);
    assert_eq!(
        app.why,
        "gives way: role approver says the same and stands first"
    );
}

#[test]
fn a_rule_for_others_says_why_it_does_not_apply() {
    let buyer = held_by(&["buyer"]);
    let approver = candidate(&buyer, "role approver");
    assert!(!approver.applies);
    assert_eq!(why(approver.idle.as_ref()), "does not apply: not held");
    let anonymous = candidate(&buyer, "anonymous");
    assert_eq!(
        why(anonymous.idle.as_ref()),
        "does not apply: a login was seen"
    );
    let visitor = of(Holder::Anonymous, None).unwrap();
    assert_eq!(visitor.roles, None);
    let role = candidate(&visitor, "role buyer");
    assert_eq!(why(role.idle.as_ref()), "does not apply: no login was seen");
}

#[test]
fn a_user_whom_no_mapping_knows_is_under_all_roles() {
    let nobody = held_by(&[]);
    assert_eq!(nobody.roles, Some(Vec::new()));
    assert_eq!(nobody.idle.rule, "strictest of all roles (approver)");
    assert!(candidate(&nobody, "strictest of all roles (buyer)").applies);
}

#[test]
fn the_route_that_matches_says_what_it_asks_and_where_it_stands() {
    let said = asked("GET", "/orders/find?mode=list").unwrap();
    let request = said.request.as_ref().unwrap();
    let route = request.route.as_ref().unwrap();
    assert_eq!((&*route.requests, route.line), ("/orders/find", Some(29)));
    let words = [&*request.access, &*request.activity, &*request.on_stale];
    assert_eq!(words, ["authenticated", "active", "strip"]);
    assert_eq!(said.idle.rule, "route /orders/find");
    let other = candidate(&said, "route /orders/find?mode=bulk");
    assert_eq!(
        why(other.idle.as_ref()),
        "does not apply: meant for other requests"
    );
}

#[test]
fn a_route_that_some_servers_would_take_it_for_is_told_with_the_one_that_matches() {
    let said = asked("GET", "/orders/find?Mode=bulk").unwrap();
    let request = said.request.as_ref().unwrap();
    assert_eq!(request.route.as_ref().unwrap().line, Some(29));
    assert_eq!(request.stricter_by[0].line, Some(25));
    assert_eq!(said.idle.rule, "route /orders/find?mode=bulk");
    let matched = candidate(&said, "route /orders/find");
    let why = why(matched.idle.as_ref());
    assert_eq!(why, "loses: 10m > 3m of route /orders/find?mode=bulk");
}

#[test]
fn without_a_route_the_apps_own_rule_holds_and_disguises_are_seen_through() {
    let said = asked("POST", "/orders/x/../%66ind/")
        .unwrap()
        .request
        .unwrap();
    assert_eq!((said.route, &*said.path), (None, "/orders/find/"));
    let said = asked("GET", "/orders/x/../assets/a.css")
        .unwrap()
        .request
        .unwrap();
    assert_eq!(said.path, "/orders/assets/a.css");
    // As it came, no route is meant for it, and that is the stricter reading.
    assert_eq!(said.access, "authenticated");
}

#[test]
fn a_login_and_its_form_are_public_by_themselves() {
    let login = asked("POST", "/orders/login").unwrap().request.unwrap();
    assert_eq!(
        (&*login.access, &*login.logins),
        ("public", &["/orders/login".to_owned()][..])
    );
    let form = asked("GET", "/orders/form").unwrap().request.unwrap();
    assert_eq!(form.access, "public");
    assert_eq!(
        form.notes,
        ["shows the login form, which is public by itself"]
    );
}

#[test]
fn what_no_request_can_be_is_refused_with_the_reason() {
    let told = |target, method, header: &[&str]| Described::new(target, method, header).err();
    let target = |text: &str| Some(Unanswerable::Target(text.into()));
    assert_eq!(told("orders", None, &[]), target("orders"));
    assert_eq!(
        told("http://h/orders", None, &[]),
        target("http://h/orders")
    );
    assert_eq!(told("/a b", None, &[]), target("/a b"));
    let method = Some(Unanswerable::Method("P T".into()));
    assert_eq!(told("/", Some("P T"), &[]), method);
    let header = Some(Unanswerable::Header("x".into()));
    assert_eq!(told("/", None, &["x"]), header);
    let elsewhere = asked("GET", "/other").unwrap_err();
    assert_eq!(
        elsewhere.to_string(),
        "the app orders answers below /orders/ only"
    );
    let slash = asked("GET", "/orders/a%2fb").unwrap_err().to_string();
    assert!(slash.contains("encoded slash"), "{slash}");
}

const CLASSES: &str = r#"
[devices.desk]
when = [{ networks = ["10.1.0.0/16"] }]
idle = "13m"
[devices.mobile]
when = [{ user_agent = ["Mobile"] }]
idle = "12m"
[devices.kiosk]
when = [{ user_agent = ["Kiosk"] }]
idle = "2m"
[roles.buyer.devices.mobile]
idle = "10m"
"#;

#[test]
fn no_header_of_a_described_request_is_left_out_where_it_tells_the_device() {
    let config = parse_alone(&format!("{POLICY}{CLASSES}"), "curfew.toml");
    let config = config.unwrap_or_else(|faults| panic!("{faults}")).config;
    let roles = [RoleName::new("buyer")];
    let idle = |headers: &[&str], client: Option<&str>, device: Seen| {
        let mut request = Described::new("/orders/x", None, headers).unwrap();
        if let Some(client) = client {
            request = request.of_client(client).unwrap();
        }
        let holder = Holder::Authenticated(&roles);
        let who = Who::Anybody { holder, device };
        let said = explain(&config, &config.apps[0], who, Some(&request)).unwrap();
        (said.device.unwrap(), said.idle.after)
    };
    let told = |device: &str, idle: &str| (device.to_owned(), idle.to_owned());
    let nobody = Seen::Nobody;
    assert_eq!(idle(&[], None, nobody), told("other", "15m"));
    let phone = ["User-Agent: X Mobile"];
    assert_eq!(idle(&phone, None, nobody), told("mobile", "10m"));
    assert_eq!(idle(&phone, Some("10.1.0.7"), nobody), told("desk", "13m"));
    assert_eq!(idle(&[], Some("10.1.0.7"), nobody), told("desk", "13m"));
    let kiosk = Seen::On(config.policy.device_named("kiosk"));
    assert_eq!(idle(&phone, None, kiosk), told("kiosk", "2m"));
}

#[test]
fn no_request_that_another_app_answers_is_explained_without_saying_so() {
    let other = r#"
[[apps]]
name = "archive"
hosts = ["a.example.com"]
prefix = "/orders/archive"
upstreams = ["http://10.0.0.2"]
[apps.session]
id = "cookie:AID"
[[apps.logins]]
path = "/orders/archive/login"
success = { new_session = true }
"#;
    let notes = |hosts: &str, target: &str, headers: &[&str]| {
        let policy = POLICY.replace("name = \"orders\"", &format!("name = \"orders\"\n{hosts}"));
        let config = parse_alone(&format!("{policy}{other}"), "curfew.toml");
        let config = config.unwrap_or_else(|faults| panic!("{faults}")).config;
        let request = Described::new(target, None, headers).unwrap();
        let who = Who::Anybody {
            holder: Holder::Anonymous,
            device: Seen::Nobody,
        };
        let said = explain(&config, &config.apps[0], who, Some(&request)).unwrap();
        said.request.unwrap().notes
    };
    let archive = ["the app archive answers there, and not this one"];
    let (both, own) = (
        "hosts = [\"a.example.com\"]",
        "hosts = [\"a.example.com\", \"b.example.com\"]",
    );
    assert_eq!(notes(both, "/orders/archive/7", &[]), archive);
    assert_eq!(notes(own, "/orders/archive/7", &[]), [""; 0]);
    let told = ["Host: A.example.com:8443"];
    assert_eq!(notes(own, "/orders/archive/7", &told), archive);
    assert_eq!(notes(both, "/orders/7", &[]), [""; 0]);
    let stranger = ["Host: c.example.com"];
    assert_eq!(
        notes(both, "/orders/7", &stranger),
        ["no app answers there"]
    );
}

#[test]
fn on_a_device_each_rule_that_is_for_others_says_so() {
    let config = parse_alone(&format!("{POLICY}{CLASSES}"), "curfew.toml");
    let config = config.unwrap_or_else(|faults| panic!("{faults}")).config;
    let roles = [RoleName::new("buyer")];
    let who = Who::Anybody {
        holder: Holder::Authenticated(&roles),
        device: Seen::On(config.policy.device_named("mobile")),
    };
    let said = explain(&config, &config.apps[0], who, None).unwrap();
    assert_eq!(said.device.as_deref(), Some("mobile"));
    assert_eq!(
        (&*said.idle.after, &*said.idle.rule),
        ("10m", "role buyer on mobile")
    );
    let idle = |rule: &str| why(candidate(&said, rule).idle.as_ref()).to_owned();
    assert_eq!(
        idle("device mobile"),
        "loses: 12m > 10m of role buyer on mobile"
    );
    assert_eq!(
        idle("device kiosk"),
        "does not apply: meant for other devices"
    );
    let own = said
        .candidates
        .iter()
        .filter(|said| said.rule == "role buyer");
    let own: Vec<_> = own.filter_map(|said| said.idle.as_ref()).collect();
    assert_eq!(
        own[0].why,
        "does not apply: the role says something else of this device"
    );
}

#[test]
fn the_age_that_a_login_may_have_is_told_with_the_route_that_says_so() {
    let routes = "[[apps.routes]]\npath = \"/orders/approve\"\nquery = { a = \"1\" }\n\
                  max_auth_age = \"5m\"\n[[apps.routes]]\npath = \"/orders/approve\"\n\
                  max_auth_age = \"10m\"\n";
    let policy = POLICY.replacen("[[apps.routes]]", &format!("{routes}[[apps.routes]]"), 1);
    let config = parse_alone(&policy, "curfew.toml");
    let config = config.unwrap_or_else(|faults| panic!("{faults}")).config;
    let asked_with = |method, target: &str| {
        let request = Described::new(target, method, &[] as &[&str]).unwrap();
        let who = Who::Anybody {
            holder: Holder::Anonymous,
            device: Seen::Nobody,
        };
        let said = explain(&config, &config.apps[0], who, Some(&request)).unwrap();
        let age = said.request.unwrap().max_auth_age;
        age.map(|age| (age.after, age.by.requests))
    };
    let age = |after: &str, by: &str| Some((after.to_owned(), by.to_owned()));
    let asked = |target| asked_with(None, target);
    let strict = "/orders/approve?a=1";
    assert_eq!(asked_with(Some("POST"), "/orders/login"), age("0s", strict));
    assert_eq!(asked("/orders/approve"), age("10m", "/orders/approve"));
    assert_eq!(asked(strict), age("5m", strict));
    // Some servers take it for the one, some for the other.
    assert_eq!(asked("/orders/approve?a=1&a=2"), age("5m", strict));
    assert_eq!(asked("/orders/elsewhere"), None);
}

#[test]
fn what_is_only_watched_says_so_and_what_stands_in_for_it_holds() {
    let policy = POLICY.replace("[roles.approver]", "[roles.approver]\nmode = \"monitor\"");
    let config = parse_alone(&policy, "curfew.toml").unwrap().config;
    let roles = ["buyer", "approver"].map(RoleName::new);
    let who = Who::Anybody {
        holder: Holder::Authenticated(&roles),
        device: Seen::Nobody,
    };
    let explanation = explain(&config, &config.apps[0], who, None).unwrap();
    assert_eq!(explanation.idle.rule, "role buyer");
    let watched = explanation.watched.as_ref().unwrap();
    let said = [&watched.idle, &watched.absolute].map(|limit| (&*limit.after, &*limit.rule));
    assert_eq!(said, [("5m", "role approver"), ("4h", "role approver")]);
    let approver = candidate(&explanation, "role approver");
    let because = "watched, not enforced: the shortest of those that apply";
    assert_eq!(why(approver.idle.as_ref()), because);
    assert!(!approver.idle.as_ref().unwrap().wins);
}
