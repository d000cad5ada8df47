//! What is none of ours in a key of ours is told as such. It is never "no session", and it never
//! leaves a write half done.

use std::pin::Pin;

use curfew::clock::Clock;
use curfew::domain::cuts::Scope;
use curfew::store::event::EventKind;
use curfew::store::op::{Claim, ClaimedBy, NewSession};
use curfew::store::seat::Seat;
use curfew::store::{Store, StoreError};

use super::{
    PATIENT, START, at, buyer, config, event, in_place, lineage, login, logout, moved, new, open,
    seat, sid, succession,
};
use crate::harness::redis::RedisServer;

type Asked<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + 'a>>;
type Asks = for<'a> fn(&'a Store) -> Asked<'a>;

fn look_up(store: &Store) -> Asked<'_> {
    Box::pin(async { store.look_up(&[sid(2), sid(1)]).await.map(drop) })
}

fn touch(store: &Store) -> Asked<'_> {
    Box::pin(async { store.touch(sid(1), at(5_000)).await.map(drop) })
}

fn create(store: &Store) -> Asked<'_> {
    Box::pin(async { store.create(sid(1), new(1)).await.map(drop) })
}

/// Of an id that is not known yet, and so shall have an entry in the due index.
fn create_another(store: &Store) -> Asked<'_> {
    let mut bytes = [1; 16];
    bytes[15] = 9;
    let sid = curfew::domain::identity::Sid::from_bytes(bytes);
    Box::pin(async move { store.create(sid, new(9)).await.map(drop) })
}

fn claim(store: &Store) -> Asked<'_> {
    let claim = Claim {
        by: ClaimedBy::Login(event(1, EventKind::End)),
        ..succession(1, 3)
    };
    Box::pin(async { store.claim(sid(1), claim).await.map(drop) })
}

fn end(store: &Store) -> Asked<'_> {
    Box::pin(async { store.end(sid(1), logout(1)).await.map(drop) })
}

fn bind(store: &Store) -> Asked<'_> {
    Box::pin(async { store.bind(sid(1), in_place(1)).await.map(drop) })
}

fn amend(store: &Store) -> Asked<'_> {
    Box::pin(async { store.amend(sid(1), moved(1)).await.map(drop) })
}

fn activate(store: &Store) -> Asked<'_> {
    Box::pin(async { store.activate(sid(1), login(1)).await.map(drop) })
}

fn rearm(store: &Store) -> Asked<'_> {
    Box::pin(async { store.rearm(sid(1), at(1)).await })
}

fn rearm_all(store: &Store) -> Asked<'_> {
    Box::pin(async { store.rearm_all(at(1)).await })
}

fn claim_due(store: &Store) -> Asked<'_> {
    Box::pin(async { store.claim_due(at(9_000), PATIENT, 10).await.map(drop) })
}

fn alive(store: &Store) -> Asked<'_> {
    Box::pin(async { store.alive().await.map(drop) })
}

fn cut(store: &Store) -> Asked<'_> {
    Box::pin(async { store.cut(Scope::All, at(1), START).await.map(drop) })
}

fn read_events(store: &Store) -> Asked<'_> {
    Box::pin(async { store.read_events(10).await.map(drop) })
}

fn events_pending(store: &Store) -> Asked<'_> {
    Box::pin(async { store.events_pending().await.map(drop) })
}

fn ids_of(store: &Store) -> Asked<'_> {
    Box::pin(async { store.ids_of(lineage(1)).await.map(drop) })
}

fn adoption_mark(store: &Store) -> Asked<'_> {
    Box::pin(async { store.adoption_mark("shop", at(1)).await.map(drop) })
}

fn take_seat(store: &Store) -> Asked<'_> {
    Box::pin(async { store.take_seat(buyer(), seat(1)).await.map(drop) })
}

fn leave_seats(store: &Store) -> Asked<'_> {
    let left = Seat {
        sid: sid(1),
        taken: at(1),
    };
    Box::pin(async move { store.leave_seats(buyer(), &[left]).await })
}

fn hand_over_seat(store: &Store) -> Asked<'_> {
    Box::pin(async { store.hand_over_seat(buyer(), sid(1), sid(2)).await })
}

fn holds_seat(store: &Store) -> Asked<'_> {
    let held = Seat {
        sid: sid(1),
        taken: at(1),
    };
    Box::pin(async move { store.holds_seat(buyer(), held).await.map(drop) })
}

const RECORD: &str = "curfew:{b01}:s:01010101010101010101010101010101";
const DUE: &str = "curfew:{b01}:due";
const OUTBOX: &str = "curfew:{b01}:out";
const VERSION: &str = "curfew:{b01}:v";
const ADOPTION: &str = "curfew:adoption";
const CUTS: &str = "curfew:cuts";

/// A living session, and one with the same key shape that nobody spoils.
async fn prepared(server: &RedisServer) -> Store {
    server.cli(&["FLUSHALL"]).await;
    let store = open(&config(&server.url(), PATIENT), Clock::manual(START));
    store.create(sid(1), new(1)).await.unwrap();
    store.create(sid(2), new(2)).await.unwrap();
    store
}

/// Spoils a key by a command and expects every operation to say so, each on a fresh start, and
/// to leave the record, the outbox and the due index as they were.
async fn check(server: &RedisServer, spoils: &[&[&str]], asks: &[(&str, Asks)]) {
    for (name, ask) in asks {
        let store = prepared(server).await;
        for command in spoils {
            let told = server.cli(command).await;
            assert!(!told.contains("ERR"), "{command:?}: {told}");
        }
        let before = everything(server).await;
        let told = ask(&store).await;
        assert!(
            matches!(told, Err(StoreError::Garbled(_))),
            "{name} after {spoils:?}: {told:?}"
        );
        assert_eq!(everything(server).await, before, "{name} after {spoils:?}");
    }
}

async fn everything(server: &RedisServer) -> Vec<String> {
    let mut all = Vec::new();
    for key in [RECORD, DUE, OUTBOX, CUTS] {
        all.push(server.cli(&["DUMP", key]).await);
    }
    all
}

const WRONG: &[&str] = &["a-text"];

#[tokio::test]
async fn a_key_of_a_wrong_type() {
    let server = RedisServer::start().await;
    let of_record: &[(&str, Asks)] = &[
        ("look_up", look_up),
        ("touch", touch),
        ("create", create),
        ("claim", claim),
        ("end", end),
        ("bind", bind),
        ("amend", amend),
        ("activate", activate),
        ("rearm", rearm),
    ];
    check(&server, &[&["SET", RECORD, WRONG[0]]], of_record).await;
    let of_due: &[(&str, Asks)] = &[
        ("create", create_another),
        ("claim", claim),
        ("end", end),
        ("bind", bind),
        ("amend", amend),
        ("rearm", rearm),
        ("rearm_all", rearm_all),
        ("claim_due", claim_due),
        ("alive", alive),
    ];
    check(&server, &[&["SET", DUE, WRONG[0]]], of_due).await;
    let of_outbox: &[(&str, Asks)] = &[
        ("claim", claim),
        ("end", end),
        ("bind", bind),
        ("amend", amend),
        ("read_events", read_events),
        ("events_pending", events_pending),
    ];
    check(&server, &[&["SET", OUTBOX, WRONG[0]]], of_outbox).await;
    let of_version: &[(&str, Asks)] = &[
        ("claim", claim),
        ("end", end),
        ("bind", bind),
        ("amend", amend),
    ];
    check(&server, &[&["HSET", VERSION, "a", "b"]], of_version).await;
    check(&server, &[&["SET", VERSION, WRONG[0]]], of_version).await;
    let ids = format!("curfew:{{b01}}:l:{}", lineage(1));
    let of_ids: &[(&str, Asks)] = &[("claim", claim), ("bind", bind), ("ids_of", ids_of)];
    check(&server, &[&["DEL", &ids], &["SET", &ids, WRONG[0]]], of_ids).await;
    check(&server, &[&["HSET", &ids, "x", "1"]], &[("ids_of", ids_of)]).await;
    let of_cuts: &[(&str, Asks)] = &[("look_up", look_up), ("cut", cut)];
    check(&server, &[&["SET", CUTS, WRONG[0]]], of_cuts).await;
}

#[tokio::test]
async fn a_pending_id_beside_a_key_of_a_wrong_type() {
    let server = RedisServer::start().await;
    for key in [DUE, OUTBOX] {
        let store = open(&config(&server.url(), PATIENT), Clock::manual(START));
        server.cli(&["FLUSHALL"]).await;
        let pending = NewSession {
            pending: true,
            ..new(1)
        };
        store.create(sid(1), pending).await.unwrap();
        server.cli(&["SET", key, WRONG[0]]).await;
        let before = everything(&server).await;
        let told = store.activate(sid(1), login(1)).await;
        assert!(
            matches!(told, Err(StoreError::Garbled(_))),
            "{key}: {told:?}"
        );
        assert_eq!(everything(&server).await, before, "{key}");
    }
}

#[tokio::test]
async fn a_field_of_a_record_that_is_none_of_ours() {
    let server = RedisServer::start().await;
    let all: &[(&str, Asks)] = &[
        ("look_up", look_up),
        ("touch", touch),
        ("claim", claim),
        ("end", end),
        ("bind", bind),
        ("amend", amend),
        ("activate", activate),
        ("rearm", rearm),
    ];
    for state in [
        "",
        "X",
        "AA",
        "E:",
        "E:holiday:1",
        "E:logout:x",
        "S:1:1",
        "\u{fe}",
    ] {
        check(&server, &[&["HSET", RECORD, "t", state]], all).await;
    }
    check(&server, &[&["HDEL", RECORD, "t"]], all).await;
    for activity in ["", "soon"] {
        check(&server, &[&["HSET", RECORD, "a", activity]], all).await;
    }
    check(&server, &[&["HDEL", RECORD, "a"]], all).await;
    let of_session: &[(&str, Asks)] = &[
        ("look_up", look_up),
        ("claim", claim),
        ("end", end),
        ("bind", bind),
        ("amend", amend),
    ];
    for fixed in ["", "1u", "{}"] {
        check(&server, &[&["HSET", RECORD, "d", fixed]], of_session).await;
    }
    check(&server, &[&["HDEL", RECORD, "d"]], of_session).await;
    let of_reading: &[(&str, Asks)] = &[("look_up", look_up)];
    let odd = format!("1u{}{{", lineage(1));
    check(&server, &[&["HSET", RECORD, "d", &odd]], of_reading).await;
    for activity in ["-1", "1.5", "nan", "1e3", " 7"] {
        check(&server, &[&["HSET", RECORD, "a", activity]], of_reading).await;
    }
}

#[tokio::test]
async fn a_table_of_cuts_that_is_none_of_ours() {
    let server = RedisServer::start().await;
    let reading: &[(&str, Asks)] = &[("look_up", look_up)];
    for (field, value) in [("v", "x"), ("v", "-1"), ("v", "")] {
        check(&server, &[&["HSET", CUTS, field, value]], reading).await;
    }
    let both: &[(&str, Asks)] = &[("look_up", look_up), ("cut", cut)];
    for (field, value) in [("all", "x"), ("u:somebody", "")] {
        check(&server, &[&["HSET", CUTS, "v", "7", field, value]], both).await;
    }
    for field in ["", "everybody", "l:1", "x:1"] {
        check(&server, &[&["HSET", CUTS, "v", "7", field, "7"]], reading).await;
    }
}

#[tokio::test]
async fn a_mark_of_adoption_that_is_none_of_ours() {
    let server = RedisServer::start().await;
    let mark: &[(&str, Asks)] = &[("adoption_mark", adoption_mark)];
    check(&server, &[&["SET", ADOPTION, WRONG[0]]], mark).await;
    for instant in ["", "x", "-1"] {
        check(&server, &[&["HSET", ADOPTION, "shop", instant]], mark).await;
    }
}

#[tokio::test]
async fn seats_that_are_none_of_ours() {
    let server = RedisServer::start().await;
    let key = format!("curfew:u:{{{}}}", buyer());
    let all: &[(&str, Asks)] = &[
        ("take_seat", take_seat),
        ("leave_seats", leave_seats),
        ("hand_over_seat", hand_over_seat),
        ("holds_seat", holds_seat),
    ];
    check(&server, &[&["SET", &key, WRONG[0]]], all).await;
    let taking: &[(&str, Asks)] = &[("take_seat", take_seat)];
    check(&server, &[&["ZADD", &key, "7", "nobody"]], taking).await;
    check(
        &server,
        &[&["ZADD", &key, "7.5", &sid(2).to_string()]],
        taking,
    )
    .await;
    let holding: &[(&str, Asks)] = &[("holds_seat", holds_seat)];
    check(
        &server,
        &[&["ZADD", &key, "7.5", &sid(1).to_string()]],
        holding,
    )
    .await;
}

#[tokio::test]
async fn an_entry_that_is_no_sid_or_no_event_holds_up_nobody() {
    let server = RedisServer::start().await;
    let store = prepared(&server).await;
    server.cli(&["ZADD", DUE, "1", "nobody"]).await;
    server.cli(&["XADD", OUTBOX, "*", "e", "{}"]).await;
    server.cli(&["XADD", OUTBOX, "*", "x", "y", "z", "w"]).await;
    let mut sids = store.claim_due(at(9_000), PATIENT, 10).await.unwrap();
    sids.sort();
    assert_eq!(sids, [sid(1), sid(2)]);
    store.end(sid(1), logout(1)).await.unwrap();
    let events = store.read_events(10).await.unwrap();
    assert_eq!(events, [*event(1, EventKind::End)]);
    store.acknowledge(&[events[0].id.clone()]).await.unwrap();
    assert_eq!(store.read_events(10).await, Ok(Vec::new()));
    assert_eq!(store.events_pending().await, Ok(2));
    // Where there is nothing else, it is told.
    server.cli(&["FLUSHALL"]).await;
    server.cli(&["ZADD", DUE, "1", "nobody"]).await;
    server.cli(&["XADD", OUTBOX, "*", "e", "{}"]).await;
    let told = store.claim_due(at(9_000), PATIENT, 10).await;
    assert!(matches!(told, Err(StoreError::Garbled(_))), "{told:?}");
    let told = store.read_events(10).await;
    assert!(matches!(told, Err(StoreError::Garbled(_))), "{told:?}");
}
