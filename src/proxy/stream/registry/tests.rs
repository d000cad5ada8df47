use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use crate::clock::Clock;
use crate::config::app::WorkLimits;
use crate::domain::identity::{Lineage, Sid};
use crate::domain::limits::RouteBounds;
use crate::domain::session::EndReason;
use crate::domain::time::Timestamp;
use crate::proxy::stream::handle::StreamHandle;
use crate::proxy::stream::progress::{Direction, Progress};
use crate::proxy::stream::work::{Finished, Late, Owner, Terms};

use super::{Full, StreamKey, StreamKind, StreamRegistry};

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const ANN: u8 = 1;
const BEN: u8 = 2;

fn lineage(who: u8) -> Lineage {
    Lineage::from_bytes([who; 16])
}

fn sid(id: u8) -> Sid {
    Sid::from_bytes([id; 16])
}

fn key(who: u8, id: u8) -> StreamKey {
    StreamKey {
        lineage: lineage(who),
        sid: sid(id),
        app: "procurement".into(),
        route: RouteBounds::default(),
    }
}

fn open(registry: &StreamRegistry, who: u8, id: u8) -> StreamHandle {
    registry.open(key(who, id), StreamKind::Body).unwrap()
}

fn watched(registry: &StreamRegistry) -> Vec<StreamKey> {
    let watched = registry.look(NOW).into_iter();
    let mut watched: Vec<StreamKey> = watched.map(|watched| watched.key).collect();
    watched.sort_by_key(|key| (key.lineage, key.sid));
    watched
}

#[test]
fn a_cut_reaches_every_stream_of_the_lineage_and_no_other() {
    let registry = StreamRegistry::new(8);
    let (body, tunnel) = (
        open(&registry, ANN, 1),
        registry.open(key(ANN, 1), StreamKind::Tunnel).unwrap(),
    );
    let other = open(&registry, BEN, 2);
    assert_eq!(registry.cut(lineage(ANN), EndReason::Revoked), 2);
    assert_eq!(body.cut_reason(), Some(EndReason::Revoked));
    assert_eq!(tunnel.cut_reason(), Some(EndReason::Revoked));
    assert_eq!(other.cut_reason(), None);
}

#[test]
fn a_stream_is_cut_once_and_for_the_first_reason() {
    let registry = StreamRegistry::new(8);
    let stream = open(&registry, ANN, 1);
    assert_eq!(registry.cut(lineage(ANN), EndReason::Logout), 1);
    assert_eq!(registry.cut(lineage(ANN), EndReason::Revoked), 0);
    assert_eq!(stream.cut_reason(), Some(EndReason::Logout));
}

#[test]
fn a_stream_opened_after_a_cut_is_untouched_and_watched() {
    let registry = StreamRegistry::new(8);
    registry.cut(lineage(ANN), EndReason::Revoked);
    let late = open(&registry, ANN, 1);
    assert_eq!(late.cut_reason(), None);
    assert_eq!(watched(&registry), [key(ANN, 1)]);
}

#[test]
fn each_session_that_holds_streams_is_watched_once_until_its_last_handle_goes() {
    let registry = StreamRegistry::new(8);
    let first = open(&registry, ANN, 1);
    let same_exchange = first.clone();
    let second = open(&registry, ANN, 1);
    let other = open(&registry, BEN, 2);
    assert_eq!(watched(&registry), [key(ANN, 1), key(BEN, 2)]);
    drop((first, second));
    assert_eq!(watched(&registry), [key(ANN, 1), key(BEN, 2)]);
    drop(same_exchange);
    assert_eq!(watched(&registry), [key(BEN, 2)]);
    drop(other);
    assert_eq!(watched(&registry), []);
}

#[test]
fn what_was_cut_is_not_watched_but_counts_until_it_closed() {
    let registry = StreamRegistry::new(8);
    let stream = open(&registry, ANN, 1);
    registry.cut(lineage(ANN), EndReason::IdleTimeout);
    assert_eq!(watched(&registry), []);
    assert_eq!(registry.len(StreamKind::Body), 1);
    drop(stream);
    assert_eq!(registry.len(StreamKind::Body), 0);
}

#[test]
fn a_rotation_moves_only_what_was_opened_under_the_old_id() {
    let registry = StreamRegistry::new(8);
    let _old = (open(&registry, ANN, 1), open(&registry, ANN, 1));
    let _other_id = open(&registry, ANN, 3);
    let _other_lineage = open(&registry, BEN, 1);
    registry.rename(lineage(ANN), sid(1), sid(4));
    assert_eq!(watched(&registry), [key(ANN, 3), key(ANN, 4), key(BEN, 1)]);
    registry.rename(lineage(ANN), sid(3), sid(4));
    assert_eq!(watched(&registry), [key(ANN, 4), key(BEN, 1)]);
}

#[test]
fn both_kinds_share_the_bound_and_a_closed_stream_makes_room() {
    let registry = StreamRegistry::new(2);
    let first = registry.open(key(ANN, 1), StreamKind::Tunnel).unwrap();
    let _second = open(&registry, BEN, 2);
    assert_eq!(
        registry.open(key(ANN, 1), StreamKind::Body).unwrap_err(),
        Full(2)
    );
    assert_eq!(registry.len(StreamKind::Tunnel), 1);
    assert_eq!(registry.len(StreamKind::Body), 1);
    drop(first);
    assert!(registry.open(key(ANN, 1), StreamKind::Body).is_ok());
}

#[derive(Default)]
struct Counter(AtomicUsize);

impl Wake for Counter {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_cut_wakes_the_waiter_of_each_direction() {
    let registry = StreamRegistry::new(8);
    let stream = open(&registry, ANN, 1);
    let counters = [Direction::ToClient, Direction::ToUpstream].map(|direction| {
        let counter = Arc::new(Counter::default());
        let waker = Waker::from(Arc::clone(&counter));
        let mut cx = Context::from_waker(&waker);
        assert!(stream.poll_cut(direction, &mut cx).is_pending());
        counter
    });
    registry.cut(lineage(ANN), EndReason::Displaced);
    for counter in counters {
        assert_eq!(counter.0.load(Ordering::Relaxed), 1);
    }
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(
        stream.poll_cut(Direction::ToClient, &mut cx),
        Poll::Ready(EndReason::Displaced)
    );
}

#[tokio::test]
async fn waiting_for_a_cut_yields_its_reason() {
    let registry = StreamRegistry::new(8);
    let stream = open(&registry, ANN, 1);
    let waiting = tokio::spawn(async move {
        std::future::poll_fn(|cx| stream.poll_cut(Direction::ToClient, cx)).await
    });
    tokio::task::yield_now().await;
    registry.cut(lineage(ANN), EndReason::AbsoluteTimeout);
    assert_eq!(waiting.await.unwrap(), EndReason::AbsoluteTimeout);
}

const DRAIN: Duration = Duration::from_secs(5);

fn open_work(registry: &StreamRegistry, who: u8, clock: &Clock) -> StreamHandle {
    let terms = Terms {
        began: NOW,
        limits: WorkLimits {
            max: Duration::from_secs(60),
            drain: DRAIN,
        },
    };
    let progress = Progress::default();
    let work = registry.open_work(key(who, 1), terms, progress, clock);
    work.unwrap()
}

fn held_until(registry: &StreamRegistry, now: Timestamp) -> Option<Timestamp> {
    registry.look(now)[0].held.map(|held| held.until)
}

#[test]
fn of_several_works_of_a_session_the_last_to_move_holds_it() {
    let registry = StreamRegistry::new(8);
    let clock = Clock::manual(NOW);
    let _stream = open(&registry, ANN, 1);
    assert_eq!(held_until(&registry, NOW), None);
    let works = [(); 2].map(|()| open_work(&registry, ANN, &clock));
    for work in works.iter().rev() {
        clock.advance(Duration::from_secs(1));
        work.answered();
        assert_eq!(held_until(&registry, clock.now()), Some(clock.now()));
    }
}

#[test]
fn at_the_absolute_timeout_work_alone_has_a_drain_and_any_other_end_cuts_it() {
    let registry = StreamRegistry::new(8);
    let clock = Clock::manual(NOW);
    let at_absolute = |over, now| registry.cut_at_absolute(lineage(ANN), None, (over, now));
    let stream = open(&registry, ANN, 1);
    let works = [(); 2].map(|()| open_work(&registry, ANN, &clock));
    assert_eq!(at_absolute(NOW, NOW), 1);
    assert_eq!(stream.cut_reason(), Some(EndReason::AbsoluteTimeout));
    let just_before = NOW.plus(DRAIN - Duration::from_millis(1));
    assert_eq!(at_absolute(NOW, just_before), 0);
    clock.advance(Duration::from_secs(1));
    let [first, second] = works;
    drop(first);
    clock.advance(Duration::from_secs(1));
    assert_eq!(registry.cut(lineage(ANN), EndReason::Revoked), 1);
    assert_eq!(second.cut_reason(), Some(EndReason::Revoked));
    drop(second);
    let finished = |seconds, late| Finished {
        of: Owner {
            lineage: lineage(ANN),
            sid: sid(1),
            app: "procurement".into(),
        },
        at: NOW.plus(Duration::from_secs(seconds)),
        late: Some(late),
    };
    for (seconds, late) in [(1, Late::Finished), (2, Late::Cut)] {
        let expected = (finished(seconds, late), late);
        assert_eq!(registry.unsaid().next_late(), Some(expected));
    }
    let slow = open_work(&registry, ANN, &clock);
    let over = NOW.plus(Duration::from_secs(2));
    assert_eq!(at_absolute(over, over.plus(DRAIN)), 1);
    assert_eq!(slow.cut_reason(), Some(EndReason::AbsoluteTimeout));
}

#[test]
fn no_drain_lasts_longer_because_nobody_finds_the_session() {
    let registry = StreamRegistry::new(8);
    let work = open_work(&registry, ANN, &Clock::manual(NOW));
    assert_eq!(registry.cut_at_absolute(lineage(ANN), None, (NOW, NOW)), 0);
    let just_before = NOW.plus(DRAIN - Duration::from_millis(1));
    assert!(registry.look(just_before)[0].drains);
    assert_eq!(work.cut_reason(), None);
    assert!(registry.look(NOW.plus(DRAIN)).is_empty());
    assert_eq!(work.cut_reason(), Some(EndReason::AbsoluteTimeout));
}

#[test]
fn no_drain_goes_on_once_the_absolute_timeout_was_put_off() {
    let registry = StreamRegistry::new(8);
    let work = open_work(&registry, ANN, &Clock::manual(NOW));
    registry.cut_at_absolute(lineage(ANN), None, (NOW, NOW));
    registry.resume(&key(ANN, 1));
    assert!(!registry.look(NOW.plus(DRAIN))[0].drains);
    assert_eq!(work.cut_reason(), None);
}
