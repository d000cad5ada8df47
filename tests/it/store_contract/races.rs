//! Real races: many tasks on several threads. Who wins is open; what must hold then is not.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use curfew::domain::identity::Sid;
use curfew::domain::session::{EndReason, State};
use curfew::store::event::EventKind;
use curfew::store::op::{Activated, Claimed, Created, Ended, Touched};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::given::{
    DUE, Tested, at, authenticated, end_for, idle_end, logged_in, login_event, login_over, new,
    pending, sid, silent_end, succession,
};
use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case(of_many_creations_one_is_recorded),
        case(of_many_ends_one_is_the_first),
        case(of_many_claims_one_succeeds),
        case(an_end_or_a_claim_wins_and_the_other_is_told),
        case(an_idle_end_or_a_touch_wins_and_the_other_is_told),
        case(a_revocation_or_an_activation_comes_first_and_both_leave_it_dead),
        case(two_logins_over_one_session_leave_one_alive),
        case(sweepers_never_share_an_id),
        case(a_storm_leaves_nobody_half_dead),
    ]
}

const ANSWERS: &str = "a store under test answers";

/// How often a race of two is run.
const ROUNDS: u64 = 100;

/// How many take part where many do.
const CROWD: u64 = 16;

/// Runs `does` once for each of a crowd, all let go at the same moment, and collects what they
/// were told.
async fn at_once<T, F>(
    store: &Arc<Tested>,
    crowd: u64,
    does: impl Fn(Arc<Tested>, u64) -> F,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(crowd as usize));
    let mut tasks = JoinSet::new();
    for member in 0..crowd {
        let start = Arc::clone(&start);
        let does = does(Arc::clone(store), member);
        tasks.spawn(async move {
            start.wait().await;
            does.await
        });
    }
    tasks.join_all().await
}

async fn of_many_creations_one_is_recorded(store: Arc<Tested>) {
    store.note(sid(1));
    let told = at_once(&store, CROWD, async |store: Arc<Tested>, member| {
        let session = authenticated(member);
        store
            .bare()
            .create(sid(1), new(session))
            .await
            .expect(ANSWERS)
    });
    let told = told.await;
    let recorded = told.iter().filter(|told| **told == Created::Recorded);
    assert_eq!(recorded.count(), 1, "{told:?}");
    store.count_is_true().await;
}

async fn of_many_ends_one_is_the_first(store: Arc<Tested>) {
    store.user(1).await;
    store.drain().await;
    let told = at_once(&store, CROWD, async |store: Arc<Tested>, member| {
        let reason = EndReason::ALL[member as usize % EndReason::ALL.len()];
        let ended = store.bare().end(sid(1), end_for(1, reason)).await;
        (reason, ended.expect(ANSWERS))
    });
    let told = told.await;
    let first: Vec<_> = told
        .iter()
        .filter(|(_, ended)| *ended == Ended::Now)
        .collect();
    assert_eq!(first.len(), 1, "{told:?}");
    let reason = first[0].0;
    let others = told
        .iter()
        .filter(|(_, ended)| *ended == Ended::Before(reason));
    assert_eq!(others.count(), told.len() - 1, "{told:?}");
    // One of the reasons brings an alert as well.
    let mut events = store.drain().await;
    events.retain(|event| event.event == EventKind::End);
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].reason.as_deref(), Some(reason.as_str()));
}

async fn of_many_claims_one_succeeds(store: Arc<Tested>) {
    store.user(1).await;
    let told = at_once(&store, CROWD, async |store: Arc<Tested>, member| {
        let successor = sid(100 + member);
        let claimed = store.bare().claim(sid(1), succession(1, successor)).await;
        (successor, claimed.expect(ANSWERS))
    });
    let told = told.await;
    let won: Vec<_> = told
        .iter()
        .filter(|(_, claimed)| matches!(claimed, Claimed::Yes { .. }))
        .collect();
    assert_eq!(won.len(), 1, "{told:?}");
    let successor = won[0].0;
    let lost = told
        .iter()
        .filter(|(_, claimed)| *claimed == Claimed::Superseded(successor));
    assert_eq!(lost.count(), told.len() - 1, "{told:?}");
    store.count_is_true().await;
}

async fn an_end_or_a_claim_wins_and_the_other_is_told(store: Arc<Tested>) {
    for n in 0..ROUNDS {
        let old = store.user(n).await;
        let successor = sid(1_000 + n);
        let (ended, claimed) = tokio::join!(
            spawn(&store, async move |store| store
                .bare()
                .end(old, end_for(n, EndReason::Revoked))
                .await),
            spawn(&store, async move |store| store
                .bare()
                .claim(old, succession(n, successor))
                .await),
        );
        match (ended.expect(ANSWERS), claimed.expect(ANSWERS)) {
            (Ended::Now, Claimed::Ended(EndReason::Revoked)) => {}
            (Ended::Superseded(to), Claimed::Yes { .. }) => assert_eq!(to, successor),
            both => panic!("{both:?}"),
        }
    }
    assert_eq!(store.alive().await, 0);
    assert_eq!(store.due(at(1_000_000)).await, []);
}

async fn an_idle_end_or_a_touch_wins_and_the_other_is_told(store: Arc<Tested>) {
    let mut alive = 0;
    for n in 0..ROUNDS {
        let user = store.user(n).await;
        let (ended, touched) = tokio::join!(
            spawn(&store, async move |store| store
                .bare()
                .end(user, idle_end(n, at(0)))
                .await),
            spawn(&store, async move |store| store
                .bare()
                .touch(user, at(900))
                .await),
        );
        match (ended.expect(ANSWERS), touched.expect(ANSWERS)) {
            (Ended::Now, Touched::Ended(EndReason::IdleTimeout)) => {
                assert_eq!(store.last_active(user).await, Some(at(0)));
            }
            (Ended::Touched(last_active), Touched::Alive) => {
                assert_eq!(last_active, at(900));
                alive += 1;
            }
            both => panic!("{both:?}"),
        }
    }
    assert_eq!(store.alive().await, alive);
    assert_eq!(store.drain().await.len() as u64, 2 * ROUNDS - alive);
}

async fn a_revocation_or_an_activation_comes_first_and_both_leave_it_dead(store: Arc<Tested>) {
    for n in 0..ROUNDS {
        let user = store.pending(n).await;
        let (ended, activated) = tokio::join!(
            spawn(&store, async move |store| store
                .bare()
                .end(user, end_for(n, EndReason::Revoked))
                .await),
            spawn(&store, async move |store| store
                .bare()
                .activate(user, logged_in(n))
                .await),
        );
        assert_eq!(ended, Ok(Ended::Now));
        let logins = match activated.expect(ANSWERS) {
            Activated::Yes => 1,
            Activated::No => 0,
        };
        assert_eq!(
            store.touch(user, at(1)).await,
            Touched::Ended(EndReason::Revoked)
        );
        let events = store.drain().await;
        let login = events
            .iter()
            .filter(|event| event.event == EventKind::Login);
        assert_eq!((login.count(), events.len()), (logins, logins + 1));
    }
    assert_eq!(store.alive().await, 0);
}

async fn two_logins_over_one_session_leave_one_alive(store: Arc<Tested>) {
    for n in 0..ROUNDS {
        let old = store.user(10 * n).await;
        store.drain().await;
        let [one, other] = [10 * n + 1, 10 * n + 2];
        store.note(sid(one));
        store.note(sid(other));
        let (one, other) = tokio::join!(
            spawn(&store, async move |store| log_in_over(
                &store,
                old,
                10 * n,
                one
            )
            .await),
            spawn(&store, async move |store| log_in_over(
                &store,
                old,
                10 * n,
                other
            )
            .await),
        );
        assert!(one != other, "one of both wins");
        store.count_is_true().await;
        assert_eq!(store.alive().await, n + 1);
        assert_eq!(store.drain().await.len(), 2, "one end and one login");
    }
}

/// A login as a gateway does it: pending, claim, then activate or bury. Tells whether it won.
async fn log_in_over(store: &Tested, old: Sid, old_n: u64, n: u64) -> bool {
    let store = store.bare();
    let created = store.create(sid(n), pending(authenticated(n))).await;
    assert_eq!(created, Ok(Created::Recorded));
    let claimed = store.claim(old, login_over(old_n, sid(n))).await;
    match claimed.expect(ANSWERS) {
        Claimed::Yes { .. } => {
            let activated = store.activate(sid(n), logged_in(n)).await;
            assert_eq!(activated, Ok(Activated::Yes));
            true
        }
        Claimed::Ended(EndReason::Reauthenticated) => {
            let burial = silent_end(n, EndReason::Displaced);
            assert_eq!(store.end(sid(n), burial).await, Ok(Ended::Now));
            false
        }
        other => panic!("{other:?}"),
    }
}

async fn sweepers_never_share_an_id(store: Arc<Tested>) {
    let mut everyone = BTreeSet::new();
    for n in 0..100 {
        everyone.insert(store.user(n).await);
    }
    let told = at_once(&store, 4, async |store: Arc<Tested>, _| {
        let mut mine = Vec::new();
        loop {
            let lease = Duration::from_secs(60);
            let batch = store.bare().claim_due(DUE, lease, 3).await.expect(ANSWERS);
            if batch.is_empty() {
                return mine;
            }
            mine.extend(batch);
        }
    });
    let claimed: Vec<Sid> = told.await.into_iter().flatten().collect();
    assert_eq!(claimed.len(), everyone.len());
    assert_eq!(claimed.into_iter().collect::<BTreeSet<_>>(), everyone);
}

/// Each member of a crowd does something else to each id, in an order of its own.
async fn a_storm_leaves_nobody_half_dead(store: Arc<Tested>) {
    const IDS: u64 = 60;
    for n in 0..IDS {
        store.user(n).await;
        store.note(sid(1_000 + n));
    }
    store.drain().await;
    let told = at_once(&store, CROWD, async |store: Arc<Tested>, member| {
        let mut first = Vec::new();
        for step in 0..IDS {
            let n = (step * 7 + member * 13) % IDS;
            if strike(&store, member, n).await {
                first.push(n);
            }
        }
        first
    });
    let mut killed: Vec<u64> = told.await.into_iter().flatten().collect();
    let kills = killed.len();
    killed.sort_unstable();
    killed.dedup();
    assert_eq!(killed.len(), kills, "each dies once");
    store.count_is_true().await;
    assert_eq!(store.alive().await, IDS - kills as u64);
    for n in killed {
        let state = store.state(sid(n)).await;
        assert!(
            !matches!(state, Some(State::Alive | State::Pending)),
            "{n}: {state:?}"
        );
        assert_ne!(store.touch(sid(n), at(9_999)).await, Touched::Alive);
    }
    let ended = store.drain().await;
    let ids: BTreeSet<_> = ended.iter().map(|event| &event.lineage).collect();
    assert_eq!(ids.len(), ended.len(), "each end is told once");
    assert!(
        ended
            .iter()
            .all(|event| event.event != login_event(0).event)
    );
}

/// What one member of the storm does to an id; whether that killed it.
async fn strike(store: &Tested, member: u64, n: u64) -> bool {
    let store = store.bare();
    match member % 4 {
        0 | 1 => {
            store.touch(sid(n), at(member + n)).await.expect(ANSWERS);
            false
        }
        2 if n.is_multiple_of(3) => {
            let end = end_for(n, EndReason::Logout);
            store.end(sid(n), end).await.expect(ANSWERS) == Ended::Now
        }
        3 if n.is_multiple_of(2) => {
            let claim = login_over(n, sid(1_000 + n));
            let claimed = store.claim(sid(n), claim).await.expect(ANSWERS);
            matches!(claimed, Claimed::Yes { .. })
        }
        _ => {
            store
                .claim_due(DUE, Duration::from_millis(1), 5)
                .await
                .expect(ANSWERS);
            false
        }
    }
}

/// Runs something on a task of its own, so that it may be on another thread.
async fn spawn<T, F>(store: &Arc<Tested>, does: impl FnOnce(Arc<Tested>) -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let task = tokio::spawn(does(Arc::clone(store)));
    task.await.expect("the task does not panic")
}
