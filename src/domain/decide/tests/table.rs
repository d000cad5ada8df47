//! Every cell of {access, standing, on_stale, client, safety, login page, activity}, held
//! against a table that a person can read.

use std::sync::Arc;

use super::{
    Access, Activity, Client, Company, EndReason, Found, Lineage, LoginPage, OnStale, RequestFacts,
    Safety, Stale, State, Verdict, Write, at, buyer, decide_at, ended, found, in_company, in_state,
    record, sid, superseded,
};

/// The first row that fits decides. `user` is a living session with a login, `visitor` one
/// without, `stale` everything else. A star fits all, a bar is an or.
const TABLE: &str = "
    access          standing  on_stale  client             method  login page  verdict

    public          stale     *         *                  *       *           strip
    *               user      *         *                  *       *           forward
    public|session  visitor   *         *                  *       *           forward

    *               visitor   *         navigation         safe    same        forward
    *               visitor   *         *                  *       *           refuse

    *               stale     *         navigation         safe    same        strip
    *               stale     strip     navigation|script  safe    *           strip
    *               stale     *         *                  *       *           refuse
";

/// What the table says of a cell, given in the order of its columns.
fn expected(cell: [&str; 6]) -> &'static str {
    let rows = TABLE
        .lines()
        .map(|row| row.split_whitespace().collect::<Vec<_>>());
    let fits = |column: &str, value| column == "*" || column.split('|').any(|word| word == value);
    rows.skip_while(|row| row.first() != Some(&"access"))
        .skip(1)
        .filter(|row| row.len() == 7)
        .find(|row| {
            row.iter()
                .zip(cell)
                .all(|(column, value)| fits(column, value))
        })
        .unwrap()[6]
}

struct Standing {
    word: &'static str,
    ids: Vec<Found>,
    /// How the verdict on it is worded.
    stale: Stale,
    /// The end that is due, and must be written.
    due: Option<EndReason>,
}

fn standing(word: &'static str, ids: Vec<Found>, stale: Stale) -> Standing {
    Standing {
        word,
        ids,
        stale,
        due: None,
    }
}

fn due(id: Found, reason: EndReason) -> Standing {
    Standing {
        due: Some(reason),
        ..standing("stale", vec![id], Stale::Ended(reason))
    }
}

/// At 20 s, by which time a session that was last active at 0 is idle for too long.
fn standings() -> Vec<Standing> {
    let alive = |roles| {
        let mut record = record(1, roles);
        record.last_active = at(19);
        found(1, Some(record))
    };
    let mut aged = buyer(1);
    aged.last_active = at(19);
    let mut other = aged.clone();
    Arc::make_mut(&mut other.session).lineage = Lineage::from_bytes([2; 16]);
    let with = |company| {
        let mut id = in_company(company);
        id.record = Some(aged.clone());
        vec![id]
    };
    let logout = EndReason::Logout;
    vec![
        standing("user", vec![alive(Some(&["buyer"]))], Stale::NoSession),
        standing("visitor", vec![alive(None)], Stale::LoginRequired),
        standing("stale", vec![], Stale::NoSession),
        standing("stale", vec![found(1, None)], Stale::Unknown),
        standing(
            "stale",
            vec![found(1, Some(in_state(State::Pending)))],
            Stale::Unknown,
        ),
        standing(
            "stale",
            vec![found(1, Some(ended(logout)))],
            Stale::Ended(logout),
        ),
        standing(
            "stale",
            vec![found(1, Some(superseded()))],
            Stale::Superseded,
        ),
        standing(
            "stale",
            vec![alive(None), found(2, Some(other))],
            Stale::Mixed,
        ),
        standing("stale", with(Company::Partial), Stale::Partial),
        standing("stale", with(Company::Foreign), Stale::Foreign),
        due(found(1, Some(buyer(1))), EndReason::IdleTimeout),
        due(found(1, Some(record(1, None))), EndReason::IdleTimeout),
    ]
}

fn every_request() -> Vec<([&'static str; 5], RequestFacts)> {
    let mut all = Vec::new();
    for (access_word, access) in [
        ("public", Access::Public),
        ("session", Access::Session),
        ("authenticated", Access::Authenticated),
    ] {
        for (stale_word, on_stale) in [("refuse", OnStale::Refuse), ("strip", OnStale::Strip)] {
            for (client_word, client) in [
                ("navigation", Client::Navigation),
                ("script", Client::Script),
                ("upgrade", Client::Upgrade),
            ] {
                for (method, safety) in [("safe", Safety::Safe), ("unsafe", Safety::Unsafe)] {
                    for (page, login_page) in [
                        ("elsewhere", LoginPage::Elsewhere),
                        ("same", LoginPage::Same),
                    ] {
                        let words = [access_word, stale_word, client_word, method, page];
                        let facts = RequestFacts {
                            access,
                            activity: Activity::Active,
                            on_stale,
                            client,
                            safety,
                            login_page,
                        };
                        all.push((words, facts));
                    }
                }
            }
        }
    }
    all
}

#[track_caller]
fn check(facts: RequestFacts, standing: &Standing, expected: &str, cell: &str) {
    let decision = decide_at(at(20), facts, &standing.ids);
    let verdict = match expected {
        "forward" => Verdict::Forward,
        "strip" => Verdict::Strip(standing.stale),
        "refuse" => Verdict::Refuse(standing.stale),
        word => panic!("{word} is no verdict"),
    };
    let write = match (standing.due, verdict, facts.activity) {
        (Some(reason), ..) => Write::End(vec![(sid(1), reason)]),
        (None, Verdict::Forward, Activity::Active) => Write::Touch(sid(1)),
        (None, ..) => Write::Nothing,
    };
    assert_eq!(
        (decision.verdict, decision.write),
        (verdict, write),
        "{cell}"
    );
    assert_eq!(decision.live.is_some(), standing.word != "stale", "{cell}");
}

#[test]
fn every_cell_is_what_the_table_says() {
    let standings = standings();
    for (words, facts) in every_request() {
        for standing in &standings {
            let [access, on_stale, client, method, page] = words;
            let cell = [access, standing.word, on_stale, client, method, page];
            let expected = expected(cell);
            for activity in [Activity::Active, Activity::Passive] {
                let facts = RequestFacts { activity, ..facts };
                let cell = format!("{cell:?} {activity:?} {:?}", standing.stale);
                check(facts, standing, expected, &cell);
            }
        }
    }
}
