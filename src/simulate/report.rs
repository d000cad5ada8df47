//! What a simulation came to, for people.

use std::fmt::Write as _;

use comfy_table::Table;
use comfy_table::presets::ASCII_FULL_CONDENSED;

use super::tally::{RoleTally, Tally};

/// Shades of an hour, from none to as many as in the busiest.
const SHADES: [char; 5] = [' ', '.', ':', '+', '#'];

/// The whole report.
pub fn text(tally: &Tally) -> String {
    let mut out = format!(
        "policy {}, {} lines, {} to {}\n",
        tally.policy,
        tally.lines,
        instant(tally.from_ms),
        instant(tally.to_ms)
    );
    let mut would = table(&[
        "role",
        "sessions",
        "users",
        "users cut",
        "ends",
        "idle",
        "absolute",
        "device",
        "role age",
        "first",
        "last",
    ]);
    let mut met = table(&[
        "role",
        "ends",
        "met",
        "at work",
        "really turned away",
        "would have gone on",
    ]);
    let mut hours = table(&["role", "ends by hour of the day, UTC: 0 to 23", "most"]);
    for role in tally.roles.iter().filter(|role| role.sessions > 0) {
        would.add_row(would_be(role, tally.users_complete));
        met.add_row(compared(role));
        if role.ends.all() > 0 {
            hours.add_row(by_hour(role));
        }
    }
    for table in [would, met, hours].iter().filter(|table| !table.is_empty()) {
        line(&mut out, &table.to_string());
    }
    for note in notes(tally) {
        line(&mut out, &note);
    }
    out
}

fn would_be(role: &RoleTally, users_complete: bool) -> Vec<String> {
    let at_least = if users_complete { "" } else { ">= " };
    vec![
        role.role.clone(),
        role.sessions.to_string(),
        format!("{at_least}{}", role.users),
        format!("{at_least}{}", role.users_cut),
        role.ends.all().to_string(),
        role.ends.idle_timeout.to_string(),
        role.ends.absolute_timeout.to_string(),
        role.ends.device_changed.to_string(),
        role.ends.role_changed.to_string(),
        instant(role.first_ms),
        instant(role.last_ms),
    ]
}

fn compared(role: &RoleTally) -> Vec<String> {
    let numbers = [
        role.ends.all(),
        role.met,
        role.at_work,
        role.really_turned_away,
        role.would_have_gone_on,
    ];
    let numbers = numbers.iter().map(ToString::to_string);
    [role.role.clone()].into_iter().chain(numbers).collect()
}

fn by_hour(role: &RoleTally) -> Vec<String> {
    let most = role.by_hour.iter().copied().max().unwrap_or(0).max(1);
    let darkest = SHADES.len() as u64 - 1;
    let shade = |ends: &u64| SHADES[(ends * darkest).div_ceil(most) as usize];
    let shades: String = role.by_hour.iter().map(shade).collect();
    vec![role.role.clone(), format!("[{shades}]"), most.to_string()]
}

/// What the numbers do not tell.
fn notes(tally: &Tally) -> Vec<String> {
    let within = std::time::Duration::from_millis(tally.within_ms);
    let within = humantime::format_duration(within);
    let mut notes = vec![
        "ends: also of users who never came back; met: a request came after the end".to_owned(),
        format!("at work: it was active, and came less than {within} after the end"),
        "after an end that did not really happen the user is taken to log in at his next active request".to_owned(),
    ];
    let gone_on: u64 = tally.roles.iter().map(|role| role.would_have_gone_on).sum();
    let counted = [
        (
            gone_on,
            "sessions were really ended by a limit and would have gone on; for how long no log tells",
        ),
        (
            tally.begun_before,
            "sessions began before the first line; what they did until then is not known",
        ),
        (
            tally.alive_at_the_end,
            "sessions were alive after the last line",
        ),
        (
            tally.as_recorded,
            "requests count as active or passive as they were recorded: this policy asks for queries or headers, which no log holds",
        ),
        (
            tally.without_device,
            "requests tell no device class that this policy knows; the class at the login counts",
        ),
        (
            tally.of_other_apps,
            "requests are of apps that this policy does not have",
        ),
        (
            tally.late,
            "lines were written over 30 s after a later one; they count as they came",
        ),
        (
            tally.forgotten,
            "sessions were forgotten, since too many lived at once",
        ),
        (tally.broken.lines, "lines could not be read"),
    ];
    let counted = counted.iter().filter(|(count, _)| *count > 0);
    notes.extend(counted.map(|(count, what)| format!("{count} {what}")));
    notes
}

fn instant(millis: Option<u64>) -> String {
    let Some(millis) = millis else {
        return "-".to_owned();
    };
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(millis);
    humantime::format_rfc3339_seconds(at).to_string()
}

fn table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_FULL_CONDENSED);
    table.set_header(header);
    table
}

fn line(out: &mut String, text: &str) {
    writeln!(out, "{text}").expect("a string takes every text");
}
