use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::domain::identity::{Lineage, Sid};
use crate::domain::limits::RouteBounds;
use crate::domain::session::EndReason;
use crate::proxy::stream::handle::StreamHandle;
use crate::proxy::stream::registry::{StreamKey, StreamKind, StreamRegistry};
use crate::proxy::stream::websocket::{CloseCode, close_frame};

use super::{ANSWER_WITHIN, CLOSE_WITHIN, TunnelEnd, Why, tunnel};

const LINEAGE: Lineage = Lineage::from_bytes([1; 16]);
const MASK: [u8; 4] = [9, 8, 7, 6];
/// What every cut must keep to.
const CUT_WITHIN: Duration = Duration::from_secs(1);
const AT_ONCE: Duration = Duration::from_millis(5);
/// More than any test sends without reading.
const ROOM: usize = 64 * 1024;
const TICK: &[u8] = b"\x81\x04tick";
const PAID: &[u8] = b"\x81\x84\0\0\0\0paid";

/// Both far ends of a running tunnel.
struct Ends {
    client: DuplexStream,
    upstream: DuplexStream,
    registry: StreamRegistry,
    tunnel: JoinHandle<TunnelEnd>,
}

fn run() -> Ends {
    run_with(ROOM)
}

fn run_with(client_room: usize) -> Ends {
    let (client, near_client) = duplex(client_room);
    let (upstream, near_upstream) = duplex(ROOM);
    let registry = StreamRegistry::new(1);
    let handle = open(&registry);
    let tunnel = tokio::spawn(tunnel(near_client, near_upstream, handle, MASK, None));
    Ends {
        client,
        upstream,
        registry,
        tunnel,
    }
}

fn open(registry: &StreamRegistry) -> StreamHandle {
    let key = StreamKey {
        lineage: LINEAGE,
        sid: Sid::from_bytes([2; 16]),
        app: "procurement".into(),
        route: RouteBounds::default(),
    };
    registry.open(key, StreamKind::Tunnel).unwrap()
}

impl Ends {
    /// Sends to the client and waits until it is there.
    async fn show_client(&mut self, bytes: &[u8]) {
        self.upstream.write_all(bytes).await.unwrap();
        assert_eq!(read(&mut self.client, bytes.len()).await, bytes);
    }

    /// Sends to the upstream and waits until it is there.
    async fn show_upstream(&mut self, bytes: &[u8]) {
        self.client.write_all(bytes).await.unwrap();
        assert_eq!(read(&mut self.upstream, bytes.len()).await, bytes);
    }

    fn cut(&self) {
        assert_eq!(self.registry.cut(LINEAGE, EndReason::Revoked), 1);
    }

    /// Waits for the end of the tunnel, which must come after `early` and before `late`.
    async fn end_between(&mut self, early: Duration, late: Duration) -> TunnelEnd {
        if let Some(too_early) = early.checked_sub(AT_ONCE) {
            assert!(timeout(too_early, &mut self.tunnel).await.is_err());
        }
        let end = timeout(late - early, &mut self.tunnel).await;
        end.expect("the tunnel ends in time").unwrap()
    }
}

async fn read(from: &mut DuplexStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    from.read_exact(&mut read).await.unwrap();
    read
}

async fn rest(mut from: DuplexStream) -> Vec<u8> {
    let mut rest = Vec::new();
    from.read_to_end(&mut rest).await.unwrap();
    rest
}

fn farewell() -> Vec<u8> {
    close_frame(CloseCode::PolicyViolation, "session_revoked", None)
}

fn farewell_upstream() -> Vec<u8> {
    close_frame(CloseCode::GoingAway, "", Some(MASK))
}

#[tokio::test(start_paused = true)]
async fn bytes_pass_both_ways_and_are_counted() {
    let mut ends = run();
    ends.show_client(TICK).await;
    ends.show_upstream(PAID).await;
    ends.show_client(TICK).await;
    ends.client.shutdown().await.unwrap();
    ends.upstream.shutdown().await.unwrap();
    let expected = TunnelEnd {
        to_client: 12,
        to_upstream: 10,
        why: Why::Closed,
    };
    assert_eq!(ends.end_between(Duration::ZERO, AT_ONCE).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_side_that_ended_its_half_still_receives() {
    let mut ends = run();
    ends.client.shutdown().await.unwrap();
    assert_eq!(ends.upstream.read(&mut [0; 1]).await.unwrap(), 0);
    ends.show_client(b"the answer").await;
    ends.upstream.shutdown().await.unwrap();
    let end = ends.end_between(Duration::ZERO, AT_ONCE).await;
    assert_eq!((end.why, end.to_client), (Why::Closed, 10));

    let mut ends = run();
    ends.upstream.shutdown().await.unwrap();
    assert_eq!(ends.client.read(&mut [0; 1]).await.unwrap(), 0);
    ends.show_upstream(b"the rest").await;
    ends.client.shutdown().await.unwrap();
    let end = ends.end_between(Duration::ZERO, AT_ONCE).await;
    assert_eq!((end.why, end.to_upstream), (Why::Closed, 8));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_an_error_unless_it_said_good_bye() {
    for (sent, why) in [
        (TICK, Why::Error(io::ErrorKind::BrokenPipe)),
        (b"\x88\x00late".as_slice(), Why::Closed),
    ] {
        let (mut upstream, near_upstream) = duplex(ROOM);
        upstream.write_all(sent).await.unwrap();
        let (mut client, near_client) = duplex(2);
        let handle = open(&StreamRegistry::new(1));
        let running = tokio::spawn(tunnel(near_client, near_upstream, handle, MASK, None));
        assert_eq!(read(&mut client, 1).await, &sent[..1]);
        drop(client);
        assert_eq!(running.await.unwrap().why, why);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_stops_the_upstream() {
    let mut ends = run_with(1);
    let sent = timeout(AT_ONCE, async {
        let mut sent = 0;
        loop {
            sent += ends.upstream.write(&[0; 1024]).await.unwrap();
            tokio::task::yield_now().await;
            assert!(sent < 2 * ROOM, "somebody buffers without a bound");
        }
    });
    assert!(sent.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_in_a_connection_that_writes_in_blocks() {
    let (mut client, near_client) = duplex(ROOM);
    let (mut upstream, near_upstream) = duplex(ROOM);
    let registry = StreamRegistry::new(1);
    let _running = tokio::spawn(tunnel(
        BufStream::new(near_client),
        BufStream::new(near_upstream),
        open(&registry),
        MASK,
        None,
    ));
    upstream.write_all(TICK).await.unwrap();
    assert_eq!(read(&mut client, TICK.len()).await, TICK);
    client.write_all(PAID).await.unwrap();
    assert_eq!(read(&mut upstream, PAID.len()).await, PAID);
    registry.cut(LINEAGE, EndReason::Revoked);
    assert_eq!(read(&mut client, farewell().len()).await, farewell());
    let told = read(&mut upstream, farewell_upstream().len()).await;
    assert_eq!(told, farewell_upstream());
}

#[tokio::test(start_paused = true)]
async fn a_flood_to_the_client_leaves_the_client_its_turn() {
    let Ends {
        client,
        upstream,
        registry: _registry,
        tunnel: _tunnel,
    } = run();
    let (mut from_gateway, mut to_gateway) = tokio::io::split(client);
    let (mut heard, mut flood) = tokio::io::split(upstream);
    tokio::spawn(async move { while flood.write_all(&[0; 4096]).await.is_ok() {} });
    tokio::spawn(async move { while from_gateway.read(&mut [0; 4096]).await.is_ok() {} });
    to_gateway.write_all(b"stop").await.unwrap();
    let mut said = [0; 4];
    heard.read_exact(&mut said).await.unwrap();
    assert_eq!(&said, b"stop");
}

#[tokio::test(start_paused = true)]
async fn a_cut_between_frames_tells_both_sides_and_ends_with_the_clients_answer() {
    let mut ends = run();
    ends.show_client(TICK).await;
    ends.show_upstream(PAID).await;
    ends.cut();
    let told = read(&mut ends.client, farewell().len()).await;
    assert_eq!(told, farewell());
    let answer = close_frame(CloseCode::PolicyViolation, "", Some(MASK));
    ends.client.write_all(&answer).await.unwrap();
    let end = ends.end_between(Duration::ZERO, AT_ONCE).await;
    let expected = TunnelEnd {
        to_client: 6,
        to_upstream: 10,
        why: Why::Cut(EndReason::Revoked),
    };
    assert_eq!(end, expected);
    assert_eq!(rest(ends.client).await, b"");
    assert_eq!(rest(ends.upstream).await, farewell_upstream());
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_that_is_cut_before_it_starts_says_so_too() {
    let ends = run();
    ends.cut();
    assert_eq!(rest(ends.client).await, farewell());
    assert_eq!(rest(ends.upstream).await, farewell_upstream());
}

#[tokio::test(start_paused = true)]
async fn nothing_the_client_sends_after_a_cut_reaches_the_upstream() {
    let mut ends = run();
    ends.show_upstream(PAID).await;
    ends.cut();
    ends.client.write_all(PAID).await.unwrap();
    let end = ends.end_between(ANSWER_WITHIN, CUT_WITHIN).await;
    assert_eq!(end.to_upstream, 10);
    assert_eq!(rest(ends.upstream).await, farewell_upstream());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_answers_is_waited_for_within_the_bound() {
    let mut ends = run();
    ends.show_client(TICK).await;
    ends.cut();
    ends.end_between(ANSWER_WITHIN, CUT_WITHIN).await;
    assert_eq!(rest(ends.client).await, farewell());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_hangs_up_instead_of_answering_is_not_waited_for() {
    let mut ends = run();
    ends.show_client(TICK).await;
    ends.cut();
    ends.client.shutdown().await.unwrap();
    ends.end_between(Duration::ZERO, AT_ONCE).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stopped_reading_holds_up_nothing() {
    let mut ends = run_with(8);
    ends.upstream.write_all(&TICK.repeat(100)).await.unwrap();
    assert_eq!(read(&mut ends.client, 3).await, TICK[..3]);
    sleep(AT_ONCE).await;
    ends.cut();
    ends.end_between(CLOSE_WITHIN, CUT_WITHIN).await;
    assert_eq!(rest(ends.upstream).await, farewell_upstream());
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_the_client_has_begun_to_get_is_finished_first() {
    for split in 1..TICK.len() {
        let mut ends = run();
        ends.show_client(&TICK[..split]).await;
        ends.cut();
        sleep(CLOSE_WITHIN - AT_ONCE).await;
        let more = [&TICK[split..], TICK].concat();
        ends.upstream.write_all(&more).await.unwrap();
        let end = ends
            .end_between(ANSWER_WITHIN, CUT_WITHIN - CLOSE_WITHIN)
            .await;
        assert_eq!(end.to_client, TICK.len() as u64);
        let expected = [&TICK[split..], &farewell()].concat();
        assert_eq!(rest(ends.client).await, expected, "split at {split}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_whose_rest_never_comes_is_given_up_without_a_close_frame() {
    for split in 1..TICK.len() {
        let mut ends = run();
        ends.show_client(&TICK[..split]).await;
        ends.cut();
        let end = ends.end_between(CLOSE_WITHIN, CUT_WITHIN).await;
        assert_eq!(end.why, Why::Cut(EndReason::Revoked));
        assert_eq!(rest(ends.client).await, b"");
        assert_eq!(rest(ends.upstream).await, farewell_upstream());
    }
}

#[tokio::test(start_paused = true)]
async fn a_frame_without_an_end_is_given_up_while_it_pours() {
    let mut ends = run();
    ends.show_client(b"\x82\x7f\0\0\xff\0\0\0\0\0").await;
    ends.cut();
    let (mut upstream, mut client) = (ends.upstream, ends.client);
    let pouring = async {
        while upstream.write_all(&[0; 64]).await.is_ok() {
            sleep(AT_ONCE).await;
        }
    };
    let drinking = async {
        let mut all = Vec::new();
        client.read_to_end(&mut all).await.unwrap();
        all
    };
    let both = async { tokio::join!(pouring, drinking) };
    let ((), got) = timeout(CUT_WITHIN, both).await.unwrap();
    assert!(got.iter().all(|byte| *byte == 0), "no frame is put inside");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_ends_within_a_frame_is_not_waited_for() {
    let mut ends = run();
    ends.show_client(&TICK[..3]).await;
    ends.cut();
    drop(ends.upstream);
    let end = timeout(AT_ONCE, ends.tunnel).await.unwrap().unwrap();
    assert_eq!(end.why, Why::Cut(EndReason::Revoked));
    assert_eq!(rest(ends.client).await, b"");
}

#[tokio::test(start_paused = true)]
async fn an_upstream_that_floods_is_cut_at_the_next_boundary() {
    let Ends {
        mut client,
        mut upstream,
        registry,
        tunnel,
    } = run_with(7);
    let flooding =
        tokio::spawn(async move { while upstream.write_all(&TICK.repeat(50)).await.is_ok() {} });
    let mut got = read(&mut client, 1000 * TICK.len() + 2).await;
    assert_eq!(registry.cut(LINEAGE, EndReason::IdleTimeout), 1);
    client.read_to_end(&mut got).await.unwrap();
    let farewell = close_frame(CloseCode::PolicyViolation, "session_idle_timeout", None);
    let frames = got.strip_suffix(farewell.as_slice()).unwrap();
    assert!(frames.len().is_multiple_of(TICK.len()));
    assert!(frames.chunks(TICK.len()).all(|frame| frame == TICK));
    // What was on its way to the client when the cut came: its own room and one frame.
    assert!(frames.len() <= (1000 + 4) * TICK.len());
    assert_eq!(tunnel.await.unwrap().why, Why::Cut(EndReason::IdleTimeout));
    flooding.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_the_upstream_has_begun_to_get_is_neither_finished_nor_followed() {
    let mut ends = run();
    ends.show_upstream(&PAID[..7]).await;
    ends.cut();
    ends.client.write_all(&PAID[7..]).await.unwrap();
    ends.end_between(ANSWER_WITHIN, CUT_WITHIN).await;
    assert_eq!(rest(ends.upstream).await, b"");
    assert_eq!(rest(ends.client).await, farewell());
}

#[tokio::test(start_paused = true)]
async fn a_side_that_had_its_close_frame_gets_no_second_one() {
    let mut ends = run();
    let close = close_frame(CloseCode::GoingAway, "maintenance", None);
    ends.show_client(&close).await;
    ends.cut();
    ends.end_between(ANSWER_WITHIN, CUT_WITHIN).await;
    assert_eq!(rest(ends.client).await, b"");
    assert_eq!(rest(ends.upstream).await, farewell_upstream());

    let mut ends = run();
    ends.show_upstream(&close_frame(CloseCode::GoingAway, "", Some(MASK)))
        .await;
    ends.cut();
    ends.end_between(Duration::ZERO, AT_ONCE).await;
    assert_eq!(rest(ends.client).await, farewell());
    assert_eq!(rest(ends.upstream).await, b"");
}

#[tokio::test(start_paused = true)]
async fn a_half_that_has_ended_is_told_nothing() {
    let mut ends = run();
    ends.upstream.shutdown().await.unwrap();
    assert_eq!(ends.client.read(&mut [0; 1]).await.unwrap(), 0);
    ends.cut();
    ends.end_between(ANSWER_WITHIN, CUT_WITHIN).await;
    assert_eq!(rest(ends.client).await, b"");
    assert_eq!(rest(ends.upstream).await, farewell_upstream());
}

#[tokio::test(start_paused = true)]
async fn what_is_no_web_socket_passes_and_is_cut_without_a_frame() {
    let garbage = b"\xff\xff no frames here";
    let mut ends = run();
    ends.show_client(garbage).await;
    ends.show_upstream(garbage).await;
    ends.cut();
    ends.end_between(Duration::ZERO, AT_ONCE).await;
    assert_eq!(rest(ends.client).await, b"");
    assert_eq!(rest(ends.upstream).await, b"");
}

#[tokio::test(start_paused = true)]
async fn a_frame_whose_header_goes_wrong_after_the_cut_is_given_up_at_once() {
    let mut ends = run();
    ends.show_client(b"\x89").await;
    ends.cut();
    ends.upstream.write_all(b"\x7e\0\x7e").await.unwrap();
    ends.end_between(Duration::ZERO, AT_ONCE).await;
    assert_eq!(rest(ends.client).await, b"");
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_leaves_the_registry_with_its_end() {
    let mut ends = run();
    ends.show_client(TICK).await;
    assert_eq!(ends.registry.len(StreamKind::Tunnel), 1);
    ends.cut();
    ends.end_between(ANSWER_WITHIN, CUT_WITHIN).await;
    assert_eq!(ends.registry.len(StreamKind::Tunnel), 0);
}
