use std::time::Duration;

use super::line::{Line, Really};
use super::logs::{Log, Logs};
use super::replay::Replay;
use super::report::text;
use super::tally::{Predicted, Tally};
use super::{Options, simulate};
use crate::config::Config;
use crate::config::load::parse_alone;
use crate::domain::access::Activity;
use crate::domain::session::EndReason;
use crate::domain::time::Timestamp;

const POLICY: &str = r#"
[[listeners]]
address = "127.0.0.1:8080"
[roles.buyer]
idle = "10m"
absolute = "8h"
users = ["b"]
[[apps]]
name = "orders"
upstreams = ["http://10.0.0.1"]
session = { id = "cookie:SID" }
[[apps.logins]]
path = "/login"
success = { new_session = true }
[[apps.routes]]
path = "/find"
query = { mode = "bulk" }
idle = "3m"
"#;

const OPTIONS: Options = Options {
    within: Duration::from_secs(300),
};

const MINUTE: u64 = 60_000;

/// Where the logs of these tests begin: 2026-01-01T08:00:00Z.
const BEGAN: u64 = 1_767_254_400_000;

fn config() -> Config {
    parse_alone(POLICY, "curfew.toml").unwrap().config
}

/// A request of a session, some milliseconds after the log began.
fn request(at: u64, session: u64, more: &str) -> String {
    let at = BEGAN + at;
    format!(
        "{{\"at_ms\":{at},\"app\":\"orders\",\"method\":\"GET\",\"path\":\"/home\",\
         \"lineage\":\"{session:032x}\",\"started_ms\":{BEGAN},\"authenticated\":true,\
         \"roles\":[\"buyer\"],\"activity\":\"active\",\"verdict\":\"forward\"{more}}}\n"
    )
}

fn login(at: u64, session: u64) -> String {
    let started = BEGAN + at;
    let line = request(at, session, ",\"event\":\"login\"");
    line.replace(
        &format!("\"started_ms\":{BEGAN}"),
        &format!("\"started_ms\":{started}"),
    )
}

fn run(logs: &[&str]) -> (Vec<Predicted>, Tally) {
    run_under(&config(), logs)
}

fn run_under(config: &Config, logs: &[&str]) -> (Vec<Predicted>, Tally) {
    let logs = logs.iter().enumerate().map(|(index, log)| Log {
        name: format!("log-{index}"),
        reader: Box::new(log.as_bytes()),
    });
    let mut logs = Logs::open(logs.collect()).unwrap();
    let mut ends = Vec::new();
    let on_end = |end: &Predicted| ends.push(end.clone());
    let tally = simulate(config, OPTIONS, &mut logs, on_end, |_| ()).unwrap();
    (ends, tally)
}

#[test]
fn an_end_comes_at_the_instant_of_its_limit_and_not_before() {
    for (gap, ends) in [(10 * MINUTE - 1, 0), (10 * MINUTE, 1), (10 * MINUTE + 1, 1)] {
        let log = login(0, 1) + &request(gap, 1, "");
        let (predicted, _) = run(&[&log]);
        assert_eq!(predicted.len(), ends, "{gap}");
        for end in predicted {
            assert_eq!((end.at_ms, &*end.rule), (BEGAN + 10 * MINUTE, "role buyer"));
        }
    }
}

#[test]
fn who_is_active_within_the_span_was_at_work_and_later_he_was_not() {
    for (after, at_work) in [(0, 1), (5 * MINUTE - 1, 1), (5 * MINUTE, 0)] {
        let log = login(0, 1) + &request(10 * MINUTE + after, 1, "");
        let (_, tally) = run(&[&log]);
        let told = [tally.roles[0].met, tally.roles[0].at_work];
        assert_eq!(told, [1, at_work], "{after}");
    }
}

#[test]
fn work_keeps_a_session_by_its_touches_before_its_own_line_is_written() {
    let touch = |at: u64, since: u64| {
        let [at, since] = [at, since].map(|at| BEGAN + at);
        let lineage = format!("{:032x}", 1);
        format!(
            "{{\"at_ms\":{at},\"event\":\"work\",\"app\":\"orders\",\"lineage\":\"{lineage}\",\"since_ms\":{since}}}\n"
        )
    };
    let log = login(0, 1)
        + &touch(9 * MINUTE + 10_000, 9 * MINUTE)
        + &touch(18 * MINUTE, 9 * MINUTE + 10_000)
        + &request(27 * MINUTE, 1, "")
        + &request(9 * MINUTE, 1, "");
    let (ends, tally) = run(&[&log]);
    assert_eq!((ends.len(), tally.late), (0, 1));
}

#[test]
fn logs_of_several_gateways_are_read_in_the_order_of_time() {
    let one = login(0, 1) + &request(18 * MINUTE, 1, "");
    let other = request(9 * MINUTE, 1, "") + &request(27 * MINUTE, 1, "");
    assert_eq!(run(&[&one, &other]).0, []);
    assert_eq!(run(&[&other, &one]).0, []);
    assert_eq!(run(&[&one]).0.len(), 1);
}

#[test]
fn lines_that_come_a_little_late_are_put_in_order() {
    let log =
        login(0, 1) + &request(10 * MINUTE + 20_000, 1, "") + &request(10 * MINUTE - 5_000, 1, "");
    let (ends, tally) = run(&[&log]);
    assert_eq!((ends.len(), tally.late), (0, 0));
}

#[test]
fn a_query_that_no_log_tells_leaves_the_activity_and_the_route_as_recorded() {
    let find = |matched: &str| {
        let line = request(5 * MINUTE, 1, &format!(",\"matched\":{matched}"));
        login(0, 1) + &line.replace("/home", "/find")
    };
    let (ends, tally) = run(&[&find("\"/find?mode=bulk\"")]);
    assert_eq!(
        (ends[0].rule.as_str(), tally.as_recorded),
        ("route /find?mode=bulk", 1)
    );
    assert_eq!(run(&[&find("\"/other\"")]).0, []);
}

#[test]
fn broken_lines_are_counted_and_the_first_are_shown() {
    let long = format!("\"{}\"\n", "x".repeat(70_000));
    let log = format!(
        "{}nonsense\n{{}}\n\n{long}{{\n{}",
        login(0, 1),
        request(1, 1, "")
    );
    let (_, tally) = run(&[&log]);
    assert_eq!((tally.broken.lines, tally.lines), (4, 2));
    assert_eq!(tally.broken.first.len(), 3);
    assert!(
        tally.broken.first[0].starts_with("log-0:2: "),
        "{:?}",
        tally.broken
    );
}

#[test]
fn an_instant_that_no_calendar_has_never_stops_the_report() {
    let last = Timestamp::LAST.as_millis();
    let told = ["at_ms", "started_ms", "until_ms", "since_ms"];
    for (name, is_read) in told.iter().flat_map(|name| [(*name, true), (*name, false)]) {
        let told = last + u64::from(!is_read);
        let line = match name {
            "at_ms" => format!("{{\"at_ms\":{told}}}"),
            _ => format!("{{\"at_ms\":1,\"{name}\":{told}}}"),
        };
        assert_eq!(Line::read(line.as_bytes()).is_ok(), is_read, "{line}");
    }
    let beyond = request(last + 1 - BEGAN, 1, "");
    let at_last = login(last - BEGAN, 2);
    let (_, tally) = run(&[&(login(0, 1) + &beyond + &at_last)]);
    assert_eq!((tally.broken.lines, tally.lines), (1, 2));
    assert!(text(&tally).contains("9999-12-31T23:59:59Z"));
}

#[test]
fn a_session_at_the_end_of_time_is_not_looked_at_for_ever() {
    let config = config();
    let mut replay = Replay::under(&config, OPTIONS);
    let line = login(0, 1).replace(&BEGAN.to_string(), &u64::MAX.to_string());
    // Not as a log is read: there it is refused.
    let line: Line = serde_json::from_str(&line).unwrap();
    replay.take(&line, &mut |_| ());
    assert_eq!(replay.finish(&mut |_| ()).alive_at_the_end, 1);
}

#[test]
fn no_end_is_counted_again_for_who_returns_after_being_forgotten() {
    const DAY: u64 = 24 * 60 * MINUTE;
    // The other one's line makes the day pass.
    for back in [DAY + 11 * MINUTE, 3 * DAY] {
        let log = login(0, 1)
            + &login(DAY + 10 * MINUTE, 2)
            + &request(back, 1, "")
            + &request(back + MINUTE, 1, "");
        let (ends, tally) = run(&[&log]);
        let lineage = format!("{:032x}", 1);
        let of_one = ends.iter().filter(|end| end.lineage == lineage);
        assert_eq!((of_one.count(), tally.roles[0].at_work), (1, 0), "{back}");
    }
}

#[test]
fn nobody_who_is_first_met_at_an_end_is_said_to_have_gone_on() {
    let refused = request(15 * MINUTE, 1, ",\"reason\":\"session_idle_timeout\"");
    let log = login(0, 2) + &refused.replace("forward", "refuse");
    let told = &run(&[&log]).1.roles[0];
    assert_eq!((told.really_turned_away, told.would_have_gone_on), (1, 0));
}

#[test]
fn no_idle_end_is_predicted_of_a_session_that_ended_for_a_proof() {
    for (event, ends) in [("null", 1), ("\"end\"", 0)] {
        let more = format!(",\"reason\":\"reauthentication_required\",\"event\":{event}");
        let refused = request(MINUTE, 1, &more).replace("forward", "refuse");
        let log = login(0, 1) + &refused + &login(20 * MINUTE, 2);
        assert_eq!(run(&[&log]).0.len(), ends, "{event}");
    }
}

#[test]
fn an_end_by_the_age_of_a_role_is_not_counted_as_an_idle_one() {
    let policy = POLICY.replace("users =", "max_role_age = \"5m\"\nusers =");
    let config = parse_alone(&policy, "curfew.toml").unwrap().config;
    let log = login(0, 1) + &request(6 * MINUTE, 1, "");
    let (ends, tally) = run_under(&config, &[&log]);
    let told = tally.roles[0].ends;
    assert_eq!(
        (told.role_changed, told.idle_timeout, told.all()),
        (1, 0, 1)
    );
    assert_eq!(ends[0].reason, "role_changed");
    assert!(ends[0].rule.contains("max_role_age"), "{}", ends[0].rule);
}

#[test]
fn a_compressed_log_is_refused_with_what_to_do() {
    let log = Log {
        name: "access.log.1.gz".into(),
        reader: Box::new(&[0x1f, 0x8b, 8, 0][..]),
    };
    let error = Logs::open(vec![log]).err().unwrap().to_string();
    assert!(error.contains("zcat"), "{error}");
}

#[test]
fn a_line_of_an_older_gateway_still_reads() {
    let old = concat!(
        r#"{"at_ms":1500,"request":"r-1","client":"192.0.2.1","method":"GET","host":"shop.example","#,
        r#""path":"/orders","app":"shop","route":null,"lineage":"07070707070707070707070707070707","#,
        r#""authenticated":true,"roles":["buyer"],"access":"authenticated","activity":"active","#,
        r#""verdict":"refuse","reason":"session_idle_timeout","event":"end","status":401,"#,
        r#""policy":"00000abc","total_us":180,"own_us":80,"upstream_us":null,"store_us":100,"#,
        r#""bytes_in":null,"bytes_out":97,"complete":true}"#
    );
    let line = Line::read(old.as_bytes()).unwrap();
    assert_eq!(line.really(), Really::TurnedAway(EndReason::IdleTimeout));
    assert_eq!(line.activity(), Activity::Active);
    assert_eq!(line.started(), line.at());
}

#[test]
fn a_long_log_keeps_no_more_than_a_day_of_sessions() {
    let config = config();
    let mut replay = Replay::under(&config, OPTIONS);
    let mut most = 0;
    for n in 0..200_000_u64 {
        let at = n * MINUTE / 2;
        let line = if n % 4 == 0 {
            login(at, n / 4)
        } else {
            request(at, n / 4, "")
        };
        replay.take(&Line::read(line.as_bytes()).unwrap(), &mut |_| ());
        let (lives, due) = replay.followed();
        assert_eq!(lives, due);
        most = most.max(lives);
    }
    // One begins every two minutes, and each is remembered for a day and its limit.
    assert!(most <= 12 * 60 + 10, "{most}");
    assert_eq!(replay.finish(&mut |_| ()).roles[0].sessions, 50_000);
}

#[test]
fn sessions_beyond_the_bound_push_out_others_and_are_counted() {
    let config = config();
    let mut replay = Replay::under(&config, OPTIONS).with_room_for(100);
    for n in 0..1_000 {
        replay.take(&Line::read(login(n, n).as_bytes()).unwrap(), &mut |_| ());
        let (lives, due) = replay.followed();
        assert!(lives <= 100 && lives == due, "{lives} {due}");
    }
    let tally = replay.finish(&mut |_| ());
    assert_eq!((tally.forgotten, tally.alive_at_the_end), (900, 100));
}

#[test]
fn the_report_shows_numbers_and_says_what_they_do_not_tell() {
    let log = login(0, 1)
        + &request(11 * MINUTE, 1, "")
        + &login(12 * MINUTE, 2)
        + &request(13 * MINUTE, 2, ",\"reason\":\"session_idle_timeout\"")
            .replace("forward", "refuse");
    let shown = text(&run(&[&log]).1);
    for part in [
        "| buyer | 2        | 0     | 0         | 1    | 1    | 0",
        "2026-01-01T08:10:00Z",
        "1 sessions were really ended by a limit and would have gone on",
        "[        #               ]",
    ] {
        assert!(shown.contains(part), "{part}\n{shown}");
    }
}
