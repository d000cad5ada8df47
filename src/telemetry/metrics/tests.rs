use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use globset::Glob;
use http::uri::Authority;

use super::{
    AppMetrics, LoginOutcome, Metrics, StoreOp, StreamCut, TokenLabel, UpstreamFault, VerdictLabel,
};
use crate::config::app::{
    App, HostHeader, LoginRecipe, Page, PathPattern, Refusals, RequestPattern, RouteRule, Success,
    Upstream, WorkLimits,
};
use crate::config::carrier::{AuthorizationRule, Carrier, SessionShape};
use crate::config::passive::Passivity;
use crate::config::token::TokenCarrier;
use crate::domain::access::{Access, Activity, OnStale};
use crate::domain::decide::Stale;
use crate::domain::device::OnDeviceChange;
use crate::domain::identity::Lineage;
use crate::domain::limits::{Bounds, RouteBounds};
use crate::domain::policy::{Policy, PolicyVersion, Role, RoleName};
use crate::domain::rehearse::AppBounds;
use crate::domain::session::{EndReason, Login, Session, UserName};
use crate::domain::time::Timestamp;
use crate::domain::token::Renewal;
use crate::store::StoreError;

const DOCUMENTED: &str = include_str!("../../../docs/metrics.md");

fn app() -> App {
    App {
        name: "shop".into(),
        namespace: "shop".into(),
        hosts: Vec::new(),
        prefix: String::new(),
        upstreams: vec![Upstream {
            authority: Authority::from_static("127.0.0.1:8080"),
            address: None,
        }],
        host_header: HostHeader::Pass,
        bounds: AppBounds::default(),
        on_device_change: OnDeviceChange::default(),
        shape: SessionShape {
            carriers: vec![Carrier::Cookie("SID".into())],
            group: Vec::new(),
            auth_cookies: Vec::new(),
            authorization: AuthorizationRule::Strip,
        },
        slot: "cookie:SID".into(),
        issued: Vec::new(),
        expire_at: Vec::new(),
        adopt_until: None,
        logins: vec![login("form")],
        logouts: Vec::new(),
        routes: Vec::new(),
        fallback: RouteRule {
            access: Access::Authenticated,
            activity: Activity::Active,
            on_stale: OnStale::Refuse,
            limits: RouteBounds::default(),
            work: WorkLimits {
                max: Duration::ZERO,
                drain: Duration::ZERO,
            },
            max_auth_age: None,
        },
        freshest: None,
        way_back: false,
        passivity: Passivity::default(),
        token: Some(TokenCarrier::new(
            "token".to_owned(),
            None,
            Renewal {
                every: Duration::from_secs(600),
                overlap: Duration::from_secs(30),
            },
        )),
        refusals: Refusals::default(),
    }
}

fn login(label: &str) -> LoginRecipe {
    LoginRecipe {
        label: label.into(),
        pattern: RequestPattern {
            path: PathPattern {
                text: "/login".into(),
                matcher: Glob::new("/login").unwrap().compile_matcher(),
            },
            methods: Vec::new(),
            query: Vec::new(),
            headers: Vec::new(),
        },
        json: Vec::new(),
        page: Page::None,
        user: None,
        groups: None,
        success: Success {
            status: Vec::new(),
            location: None,
            location_not: None,
            new_session: true,
            cookie: None,
            header: None,
            json: Vec::new(),
        },
        same_id: false,
    }
}

fn policy(roles: &[&str]) -> Policy {
    let role = |name: &&str| Role {
        name: RoleName::new(name),
        idle: Duration::from_secs(60),
        absolute: Duration::from_secs(600),
        users: BTreeSet::new(),
        groups: BTreeSet::new(),
        ..Role::default()
    };
    Policy {
        version: PolicyVersion(1),
        ceiling: Bounds::default(),
        anonymous_idle: Duration::from_secs(60),
        anonymous_absolute: Duration::from_secs(600),
        roles: roles.iter().map(role).collect(),
        ..Policy::default()
    }
}

/// An authenticated session with these roles; an anonymous one for none.
fn session(roles: Option<&[&str]>) -> Session {
    let at = Timestamp::from_millis(0);
    Session {
        lineage: Lineage::from_bytes([0; 16]),
        generation: 0,
        app: "shop".into(),
        started: at,
        until: None,
        login: roles.map(|roles| Login {
            admitted: at,
            user: None,
            groups: Vec::new(),
            roles: roles.iter().map(|role| RoleName::new(role)).collect(),
            roles_learned: at,
            is_doubtful: false,
        }),
        device: None,
        policy: PolicyVersion(1),
        companions: Vec::new(),
        scopes: Vec::new(),
        token: None,
        would_have_ended: Default::default(),
    }
}

fn resolved(metrics: &Metrics) -> AppMetrics {
    metrics.for_app(&app(), &policy(&["buyer", "approver"]))
}

/// Metrics with every family that a gateway has.
fn complete() -> Metrics {
    let metrics = Metrics::new();
    drop(resolved(&metrics));
    drop(metrics.for_listener(([127, 0, 0, 1], 8443).into()));
    metrics
}

#[track_caller]
fn check(metrics: &Metrics, sample: &str) {
    let text = metrics.render();
    let name = sample.split(['{', ' ']).next().unwrap();
    let near: Vec<_> = text.lines().filter(|line| line.starts_with(name)).collect();
    assert!(near.contains(&sample), "no {sample} among {near:#?}");
}

#[test]
fn every_child_is_there_from_the_start_at_zero() {
    let metrics = complete();
    for sample in [
        r#"curfew_requests_total{app="shop",role="none",verdict="refuse"} 0"#,
        r#"curfew_requests_total{app="shop",role="anonymous",verdict="strip"} 0"#,
        r#"curfew_requests_total{app="shop",role="unmapped",verdict="error"} 0"#,
        r#"curfew_requests_total{app="shop",role="approver",verdict="forward"} 0"#,
        r#"curfew_sessions_ended_total{app="shop",reason="token_reuse",role="buyer"} 0"#,
        r#"curfew_idle_gap_ratio_count{app="shop",role="buyer"} 0"#,
        r#"curfew_logins_after_idle_end_total{app="shop",role="unmapped"} 0"#,
        r#"curfew_login_matches_total{app="shop",outcome="unlearned",recipe="form"} 0"#,
        r#"curfew_upstream_errors_total{app="shop",kind="late"} 0"#,
        r#"curfew_streams_cut_total{app="shop",reason="stopping"} 0"#,
        r#"curfew_streams_cut_total{app="shop",reason="reauthenticated"} 0"#,
        r#"curfew_store_errors_total{kind="garbled"} 0"#,
        r#"curfew_store_duration_seconds_count{op="look_up"} 0"#,
        r#"curfew_policy_reloads_total{outcome="failure"} 0"#,
        r#"curfew_connections{listener="127.0.0.1:8443"} 0"#,
        "curfew_store_up 0",
    ] {
        check(&metrics, sample);
    }
}

#[test]
fn a_session_counts_under_the_first_of_its_roles_that_the_policy_has() {
    let metrics = Metrics::new();
    let app = resolved(&metrics);
    let forwarded = |roles: Option<&[&str]>| {
        app.decided(Some(app.role_of(&session(roles))), VerdictLabel::Forward);
    };
    forwarded(None);
    forwarded(Some(&[]));
    forwarded(Some(&["retired"]));
    forwarded(Some(&["approver", "buyer"]));
    app.decided(None, VerdictLabel::Refuse);
    for (role, verdict, count) in [
        ("anonymous", "forward", 1),
        ("unmapped", "forward", 2),
        ("buyer", "forward", 1),
        ("approver", "forward", 0),
        ("none", "refuse", 1),
    ] {
        let labels = format!(r#"app="shop",role="{role}",verdict="{verdict}""#);
        check(
            &metrics,
            &format!("curfew_requests_total{{{labels}}} {count}"),
        );
    }
}

#[test]
fn each_event_moves_its_own_number() {
    let metrics = Metrics::new();
    let app = resolved(&metrics);
    let buyer = app.role_of(&session(Some(&["buyer"])));
    app.session_started(buyer);
    app.session_ended(buyer, EndReason::Revoked);
    app.login_seen(0, LoginOutcome::Failure);
    app.login_seen(1, LoginOutcome::Success);
    app.upstream_answered(Duration::from_millis(3));
    app.upstream_failed(UpstreamFault::Late);
    app.stream_cut(StreamCut::Ended(EndReason::IdleTimeout));
    app.stream_cut(StreamCut::Stopping);
    app.anonymous_unrecorded();
    app.adopted(&session(Some(&[])));
    app.token(TokenLabel::Offered);
    app.token_refused(Stale::TokenMissing);
    app.token_refused(Stale::Unknown);
    let late = StoreError::Late(Duration::from_millis(150));
    metrics.store_called(StoreOp::Touch, Duration::from_millis(151), Some(&late));
    metrics.store_called(StoreOp::Touch, Duration::from_millis(1), None);
    metrics.store_reached();
    metrics.sessions_alive(7);
    metrics.outbox_pending(2);
    metrics.audit_write_failed();
    metrics.panicked();
    for sample in [
        r#"curfew_sessions_started_total{app="shop",role="buyer"} 1"#,
        r#"curfew_sessions_ended_total{app="shop",reason="revoked",role="buyer"} 1"#,
        r#"curfew_sessions_ended_total{app="shop",reason="logout",role="buyer"} 0"#,
        r#"curfew_login_matches_total{app="shop",outcome="failure",recipe="form"} 1"#,
        r#"curfew_login_matches_total{app="shop",outcome="success",recipe="form"} 0"#,
        r#"curfew_upstream_duration_seconds_bucket{app="shop",le="0.0025"} 0"#,
        r#"curfew_upstream_duration_seconds_bucket{app="shop",le="0.005"} 1"#,
        r#"curfew_upstream_errors_total{app="shop",kind="late"} 1"#,
        r#"curfew_streams_cut_total{app="shop",reason="idle_timeout"} 1"#,
        r#"curfew_streams_cut_total{app="shop",reason="stopping"} 1"#,
        r#"curfew_anonymous_unrecorded_total{app="shop"} 1"#,
        r#"curfew_sessions_adopted_total{app="shop"} 1"#,
        r#"curfew_tokens_total{app="shop",what="offered"} 1"#,
        r#"curfew_tokens_total{app="shop",what="missing"} 1"#,
        r#"curfew_tokens_total{app="shop",what="unknown"} 0"#,
        r#"curfew_tokens_total{app="shop",what="withheld"} 0"#,
        r#"curfew_sessions_started_total{app="shop",role="unmapped"} 1"#,
        r#"curfew_store_duration_seconds_count{op="touch"} 2"#,
        r#"curfew_store_errors_total{kind="late"} 1"#,
        r#"curfew_store_errors_total{kind="unreachable"} 0"#,
        "curfew_store_up 1",
        "curfew_sessions_alive 7",
        "curfew_outbox_pending 2",
        "curfew_audit_write_errors_total 1",
        "curfew_panics_total 1",
    ] {
        check(&metrics, sample);
    }
    metrics.store_lost();
    check(&metrics, "curfew_store_up 0");
}

#[test]
fn an_idle_gap_is_a_fraction_of_the_limit() {
    let metrics = Metrics::new();
    let app = resolved(&metrics);
    let buyer = app.role_of(&session(Some(&["buyer"])));
    let limit = Duration::from_secs(100);
    for gap in [5, 6, 90, 91] {
        app.idle_gap(buyer, Duration::from_secs(gap), limit);
    }
    app.idle_gap(buyer, Duration::from_secs(1), Duration::ZERO);
    for (le, count) in [("0.05", 1), ("0.1", 2), ("0.9", 3), ("1", 4), ("+Inf", 4)] {
        let labels = format!(r#"app="shop",role="buyer",le="{le}""#);
        check(
            &metrics,
            &format!("curfew_idle_gap_ratio_bucket{{{labels}}} {count}"),
        );
    }
}

#[test]
fn a_login_soon_after_an_idle_end_counts_under_the_role_of_the_login() {
    let metrics = Metrics::new();
    let app = resolved(&metrics);
    let buyer = app.role_of(&session(Some(&["buyer"])));
    let user = UserName::new("buyer-1").unwrap();
    app.idle_ended(&user, Timestamp::from_millis(1_000));
    let reloaded = resolved(&metrics);
    reloaded.logged_in(buyer, &user, Timestamp::from_millis(2_000));
    let labels = r#"app="shop",role="buyer""#;
    check(
        &metrics,
        &format!("curfew_logins_after_idle_end_total{{{labels}}} 1"),
    );
}

#[test]
fn what_is_open_is_counted_until_it_is_dropped() {
    let metrics = Metrics::new();
    let app = resolved(&metrics);
    let streams = [app.stream_opened(), app.stream_opened()];
    check(&metrics, r#"curfew_streams_open{app="shop"} 2"#);
    drop(streams);
    check(&metrics, r#"curfew_streams_open{app="shop"} 0"#);
}

#[test]
fn a_refused_reload_leaves_the_time_of_the_last_good_one() {
    let metrics = Metrics::new();
    metrics.policy_loaded(Timestamp::from_millis(1_500));
    check(&metrics, "curfew_policy_reload_success 1");
    check(
        &metrics,
        r#"curfew_policy_reloads_total{outcome="success"} 0"#,
    );
    metrics.policy_refused();
    check(&metrics, "curfew_policy_reload_success 0");
    check(
        &metrics,
        "curfew_policy_reload_success_timestamp_seconds 1.5",
    );
    metrics.policy_reloaded(Timestamp::from_millis(2_500));
    check(&metrics, "curfew_policy_reload_success 1");
    check(
        &metrics,
        "curfew_policy_reload_success_timestamp_seconds 2.5",
    );
    check(
        &metrics,
        r#"curfew_policy_reloads_total{outcome="success"} 1"#,
    );
    check(
        &metrics,
        r#"curfew_policy_reloads_total{outcome="failure"} 1"#,
    );
}

/// One metric: its name, its type, its labels in alphabetical order.
type Described = (String, String, Vec<String>);

fn described(metrics: &Metrics) -> BTreeSet<Described> {
    let families = metrics.registry.gather();
    let ours = families
        .iter()
        .filter(|family| family.name().starts_with("curfew_"));
    ours.map(|family| {
        let kind = format!("{:?}", family.get_field_type()).to_lowercase();
        let labels = family.get_metric()[0].get_label().iter();
        let labels = labels.map(|label| label.name().to_owned()).collect();
        (family.name().to_owned(), kind, labels)
    })
    .collect()
}

/// The rows of the tables: `` | `name` | type | `label`, `label` | ... ``.
fn documented() -> BTreeSet<Described> {
    let rows = DOCUMENTED
        .lines()
        .filter(|line| line.starts_with("| `curfew_"));
    rows.map(|row| {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let words = |cell: &str| {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        let names: Vec<String> = words(cells[1]);
        let mut labels: Vec<String> = words(cells[3]);
        labels.sort();
        (names[0].clone(), cells[2].to_owned(), labels)
    })
    .collect()
}

#[test]
fn the_documentation_lists_exactly_the_metrics_there_are() {
    assert_eq!(documented(), described(&complete()));
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is in Debian's package `prometheus`: apt install prometheus");
    let mut input = promtool.stdin.take().unwrap();
    input.write_all(complete().render().as_bytes()).unwrap();
    drop(input);
    let output = promtool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{said}");
}

#[test]
fn an_app_shares_its_numbers_over_a_reload() {
    let metrics = Metrics::new();
    let before = resolved(&metrics);
    let after = metrics.for_app(&app(), &policy(&["approver", "buyer", "auditor"]));
    let held = session(Some(&["buyer"]));
    before.session_started(before.role_of(&held));
    after.session_started(after.role_of(&held));
    let gone = after.role_of(&session(Some(&["auditor"])));
    before.session_started(gone);
    check(
        &metrics,
        r#"curfew_sessions_started_total{app="shop",role="buyer"} 2"#,
    );
    check(
        &metrics,
        r#"curfew_sessions_started_total{app="shop",role="unmapped"} 1"#,
    );
    assert_eq!(Arc::strong_count(&metrics.idle_ends), 3);
}
