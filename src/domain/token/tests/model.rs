//! Clients that send many requests at once, lose answers and get them late, and a record that is
//! written only if it is what was read: an honest session never ends, a copied one does.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, proptest};

use super::{Renewal, SEED, Shown, Standing, Timestamp, Token, at};

/// As close to each other as the configuration allows.
const RENEWAL: Renewal = Renewal {
    every: Duration::from_millis(OVERLAP_MS * 2),
    overlap: Duration::from_millis(OVERLAP_MS),
};
const OVERLAP_MS: u64 = 100;

/// One request and what becomes of it, in milliseconds; all ways are shorter than the overlap.
#[derive(Debug, Clone)]
struct Request {
    /// Since the one before it.
    after: u64,
    to_the_gateway: u64,
    to_the_store: u64,
    at_the_app: u64,
    to_the_client: u64,
    answer_is_lost: bool,
}

fn request() -> impl Strategy<Value = Request> {
    let gaps = proptest::prop_oneof![4 => 0..10_u64, 1 => 0..500_u64];
    (
        (gaps, 0..OVERLAP_MS - 5, 0..5_u64),
        (0..2 * OVERLAP_MS, 0..OVERLAP_MS),
        proptest::bool::weighted(0.3),
    )
        .prop_map(|(to, back, answer_is_lost)| Request {
            after: to.0,
            to_the_gateway: to.1,
            to_the_store: to.2,
            at_the_app: back.0,
            to_the_client: back.1,
            answer_is_lost,
        })
}

enum Happens {
    Sent(Request),
    Arrived(Request, Shown),
    Written(Request, Option<Token>, Timestamp, Shown),
    Received(u32),
}

/// What happens next, in the order of time.
#[derive(Default)]
struct Agenda(BTreeMap<(u64, usize), Happens>, usize);

impl Agenda {
    fn add(&mut self, at: u64, what: Happens) {
        self.1 += 1;
        self.0.insert((at, self.1), what);
    }
}

fn shown(jar: Option<u32>) -> Shown {
    jar.map_or(Shown::Nothing, Shown::Value)
}

/// Runs an honest client's requests. Tells what it was refused for, if it was.
fn run(
    requests: Vec<Request>,
    mut record: Option<Token>,
    mut jar: Option<u32>,
) -> Option<Standing> {
    let mut agenda = Agenda::default();
    let mut begins = 0;
    for request in requests {
        begins += request.after;
        agenda.add(begins, Happens::Sent(request));
    }
    while let Some(((now, _), happens)) = agenda.0.pop_first() {
        match happens {
            Happens::Sent(request) => {
                let arrives = now + request.to_the_gateway;
                agenda.add(arrives, Happens::Arrived(request, shown(jar)));
            }
            // The clock is read before the record, and the record before it is written.
            Happens::Arrived(request, shown) => {
                let written = now + request.to_the_store;
                agenda.add(written, Happens::Written(request, record, at(now), shown));
            }
            Happens::Written(request, read, began, shown) => {
                let change = match RENEWAL.judge(read.as_ref(), shown, began, || SEED) {
                    Standing::Holds => continue,
                    Standing::Changes(change) => change,
                    refused => return Some(refused),
                };
                if record != read {
                    continue;
                }
                record = Some(change.token);
                let in_time = request.at_the_app < OVERLAP_MS;
                if change.offers && in_time && !request.answer_is_lost {
                    let received = now + request.at_the_app + request.to_the_client;
                    agenda.add(received, Happens::Received(change.token.next()));
                }
            }
            Happens::Received(number) => jar = Some(number),
        }
    }
    None
}

proptest! {
    #[test]
    fn an_honest_session_is_never_refused(requests in vec(request(), 1..200), begins in any::<bool>()) {
        let (record, jar) = match begins {
            true => (Some(Token::at_login(SEED, at(0))), Some(2)),
            false => (None, None),
        };
        let refused = run(requests, record, jar);
        prop_assert!(refused.is_none(), "{refused:?}");
    }

    /// Two who hold the same value, of whom neither is away for long.
    #[test]
    fn a_copied_session_ends_when_the_next_renewal_is_over(
        uses in vec((any::<bool>(), 1..OVERLAP_MS / 4), 400),
        copied_at in 0..400_u64,
    ) {
        let mut record = Token::at_login(SEED, at(0));
        let mut jars = [record.number; 2];
        let mut now = 0;
        let mut last_used = [0, 0];
        let mut ended = None;
        for (who, gap) in uses {
            now += gap;
            let is_thief = usize::from(who && now >= copied_at);
            // Nobody is away for longer than half of the overlap.
            let away = |one: usize| now - last_used[one] > OVERLAP_MS / 4;
            let user = match (away(0), away(1) && now >= copied_at) {
                (true, _) => 0,
                (_, true) => 1,
                _ => is_thief,
            };
            if now < copied_at {
                jars[1] = jars[0];
                last_used[1] = now;
            }
            last_used[user] = now;
            match RENEWAL.judge(Some(&record), Shown::Value(jars[user]), at(now), || SEED) {
                Standing::Holds => {}
                Standing::Changes(change) => {
                    record = change.token;
                    if change.offers {
                        jars[user] = change.token.next();
                    }
                }
                Standing::Reused => {
                    ended = Some(now);
                    break;
                }
                other => prop_assert!(false, "{other:?}"),
            }
        }
        // A renewal, its overlap, the thief's and the owner's longest absence.
        let latest = copied_at + 4 * OVERLAP_MS;
        match ended {
            Some(ended) => prop_assert!(ended >= copied_at && ended <= latest, "{ended}"),
            None => prop_assert!(now < latest, "it was used until {now}"),
        }
    }
}
