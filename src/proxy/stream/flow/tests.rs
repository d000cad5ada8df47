use std::task::{Context, Poll, Waker};

use tokio::io::{repeat, sink};

use crate::proxy::stream::progress::{Direction, Progress};

use super::{BUFFER_BYTES_MAX, Flow, MOVES_MAX};

#[test]
fn a_flood_takes_its_turn_and_asks_for_another() {
    let progress = Progress::default();
    let mut flow = Flow::new(Direction::ToClient, progress.clone());
    let mut cx = Context::from_waker(Waker::noop());
    for turn in 1..=2 {
        let polled = flow.poll_pass(&mut cx, &mut repeat(0), &mut sink());
        assert!(polled.is_pending());
        let passed = turn * MOVES_MAX / 2 * BUFFER_BYTES_MAX;
        assert_eq!(progress.bytes(Direction::ToClient), passed as u64);
    }
}

#[test]
fn a_flow_is_finished_when_its_receiver_knows_the_end() {
    let progress = Progress::default();
    let mut flow = Flow::new(Direction::ToUpstream, progress.clone());
    let mut cx = Context::from_waker(Waker::noop());
    let mut sender = b"all".as_slice();
    assert!(!progress.is_finished(Direction::ToUpstream));
    let polled = flow.poll_pass(&mut cx, &mut sender, &mut sink());
    assert!(matches!(polled, Poll::Ready(Ok(()))));
    assert_eq!(progress.bytes(Direction::ToUpstream), 3);
    assert!(progress.is_finished(Direction::ToUpstream));
}
