use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::{collection, option, prop_assert_eq};

use super::{CloseCode, FrameKind, FrameTracker, Place, Step, close_frame};

const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0x11, 0x22, 0x33, 0x44];

/// A frame as an endpoint writes it, its length in the shortest form.
fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let masked = if mask.is_some() { MASKED } else { 0 };
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(masked | length as u8),
        length @ 126..=65_535 => {
            frame.push(masked | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(masked | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(mask.into_iter().flatten());
    let mask = mask.unwrap_or_default();
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    frame
}

/// The ends of all frames, counted from the first byte, when the bytes come in these pieces.
fn ends<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<(usize, FrameKind)>, Place) {
    let mut tracker = FrameTracker::new();
    let (mut ends, mut at) = (Vec::new(), 0);
    for mut piece in pieces {
        while let Step::Frame { frame, used } = tracker.step(piece) {
            at += used;
            piece = &piece[used..];
            ends.push((at, frame.kind));
        }
        at += piece.len();
    }
    (ends, tracker.place())
}

#[test]
fn a_frame_ends_where_its_length_says_in_each_encoding() {
    for mask in [None, Some(MASK)] {
        let mask_bytes = if mask.is_some() { 4 } else { 0 };
        for (payload_bytes, header_bytes) in [
            (0, 2),
            (1, 2),
            (125, 2),
            (126, 4),
            (65_535, 4),
            (65_536, 10),
            (70_000, 10),
        ] {
            let bytes = frame(FIN | BINARY, mask, &vec![7; payload_bytes]);
            let end = header_bytes + mask_bytes + payload_bytes;
            assert_eq!(bytes.len(), end);
            let found = ends([bytes.as_slice()]);
            assert_eq!(found, (vec![(end, FrameKind::Binary)], Place::Boundary));
            let (found, place) = ends([&bytes[..end - 1]]);
            assert_eq!((found, place), (vec![], Place::Inside), "{payload_bytes}");
        }
    }
}

#[test]
fn a_length_that_takes_more_bytes_than_it_needs_still_says_where_the_frame_ends() {
    let bytes = [FIN | TEXT, 127, 0, 0, 0, 0, 0, 0, 0, 1, b'x'];
    assert_eq!(
        ends([bytes.as_slice()]),
        (vec![(11, FrameKind::Text)], Place::Boundary)
    );
}

#[test]
fn a_step_stops_at_the_boundary_and_leaves_the_next_frame_alone() {
    let first = frame(FIN | TEXT, Some(MASK), b"hello");
    let both = [first.as_slice(), &frame(FIN | PING, Some(MASK), b"")].concat();
    let mut tracker = FrameTracker::new();
    tracker.follow(&both[..3]);
    assert_eq!(tracker.rest_of_frame(&both[3..]), Some(first.len() - 3));
    assert_eq!(tracker.rest_of_frame(&both[3..4]), Some(1));
    let Step::Frame { frame, used } = tracker.step(&both[3..]) else {
        panic!("the frame ends here");
    };
    assert_eq!((used, tracker.place()), (first.len() - 3, Place::Boundary));
    assert_eq!((frame.kind, frame.payload_bytes), (FrameKind::Text, 5));
}

#[test]
fn extension_bits_and_fragments_pass() {
    let bytes = [
        frame(0x40 | TEXT, None, b"compressed"),
        frame(FIN | PING, None, b"between"),
        frame(FIN, None, b"rest"),
    ]
    .concat();
    let (found, place) = ends([bytes.as_slice()]);
    let kinds: Vec<_> = found.into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(
        kinds,
        [FrameKind::Text, FrameKind::Ping, FrameKind::Continuation]
    );
    assert_eq!(place, Place::Boundary);
}

#[test]
fn nothing_is_a_frame_after_the_close_frame() {
    let mut tracker = FrameTracker::new();
    tracker.follow(&close_frame(CloseCode::GoingAway, "", None));
    assert_eq!(tracker.place(), Place::Closed);
    assert_eq!(tracker.step(&frame(FIN | TEXT, None, b"x")), Step::Part);
    assert_eq!(tracker.place(), Place::Closed);
}

#[test]
fn what_makes_a_boundary_doubtful_is_malformed_for_good() {
    let reserved_data = [FIN | 0x3, 0].as_slice();
    let reserved_control = &[FIN | 0xb, 0];
    let fragmented_control = &[PING, 0];
    let long_control = &[FIN | CLOSE, 126, 0, 126];
    let length_sign_bit = &[FIN | TEXT, 127, 0x80, 0, 0, 0, 0, 0, 0, 0];
    for bytes in [
        reserved_data,
        reserved_control,
        fragmented_control,
        long_control,
        length_sign_bit,
        b"HTTP/1.1 500",
    ] {
        let mut tracker = FrameTracker::new();
        assert_eq!(tracker.rest_of_frame(bytes), None);
        assert_eq!(tracker.step(bytes), Step::Malformed, "{bytes:?}");
        assert_eq!(tracker.place(), Place::Lost);
        assert_eq!(tracker.step(&frame(FIN | TEXT, None, b"")), Step::Malformed);
    }
}

#[test]
fn the_longest_length_is_only_long() {
    let mut tracker = FrameTracker::new();
    let header = [FIN | BINARY, 127, 0x7f, 255, 255, 255, 255, 255, 255, 255];
    assert_eq!(tracker.step(&header), Step::Part);
    assert_eq!(tracker.step(&[0; 4096]), Step::Part);
    assert_eq!(tracker.place(), Place::Inside);
}

#[test]
fn a_close_frame_reads_as_one() {
    let plain = close_frame(CloseCode::PolicyViolation, "session_revoked", None);
    assert_eq!(plain[..4], [0x88, 17, 0x03, 0xf0]);
    assert_eq!(&plain[4..], b"session_revoked");
    let masked = close_frame(CloseCode::GoingAway, "bye", Some(MASK));
    assert_eq!(masked, frame(FIN | CLOSE, Some(MASK), b"\x03\xe9bye"));
}

#[test]
fn a_long_close_reason_is_cut_at_a_character() {
    for (reason, kept) in [
        ("x".repeat(123), 123),
        ("x".repeat(124), 123),
        (format!("{}é", "x".repeat(122)), 122),
    ] {
        let bytes = close_frame(CloseCode::GoingAway, &reason, None);
        assert_eq!(bytes.len(), 4 + kept);
        let (found, place) = ends([bytes.as_slice()]);
        assert_eq!(found, [(bytes.len(), FrameKind::Close)]);
        assert_eq!(place, Place::Closed);
    }
}

fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        4 => 0..200_usize,
        1 => 65_530..65_540_usize,
    ];
    let first = prop_oneof![Just(FIN | TEXT), Just(BINARY), Just(FIN), Just(0x40 | TEXT)];
    let data = (first, option::of(any::<[u8; 4]>()), length)
        .prop_map(|(first, mask, length)| frame(first, mask, &vec![0x81; length]));
    let control = (option::of(any::<[u8; 4]>()), 0..=125_usize)
        .prop_map(|(mask, length)| frame(FIN | PING, mask, &vec![0x81; length]));
    prop_oneof![data, control]
}

proptest! {
    #[test]
    fn the_boundaries_do_not_depend_on_how_the_bytes_arrive(
        frames in collection::vec(any_frame(), 1..6),
        piece_bytes in prop_oneof![Just(1_usize), 2..40_usize, 1_000..20_000_usize],
        cut_off in 0..20_usize,
    ) {
        let bytes = frames.concat();
        let bytes = &bytes[..bytes.len() - cut_off.min(bytes.len())];
        let mut expected = Vec::new();
        let mut at = 0;
        for frame in &frames {
            at += frame.len();
            if at <= bytes.len() {
                expected.push(at);
            }
        }
        let (whole, place) = ends([bytes]);
        let found: Vec<usize> = whole.iter().map(|(end, _)| *end).collect();
        prop_assert_eq!(&found, &expected);
        let ended = expected.last().copied().unwrap_or(0) == bytes.len();
        prop_assert_eq!(place, if ended { Place::Boundary } else { Place::Inside });
        prop_assert_eq!(ends(bytes.chunks(piece_bytes)), (whole, place));
    }

    #[test]
    fn garbage_never_panics_and_reads_the_same_in_any_pieces(
        bytes in collection::vec(any::<u8>(), 0..300),
        piece_bytes in 1..20_usize,
    ) {
        prop_assert_eq!(ends(bytes.chunks(piece_bytes)), ends([bytes.as_slice()]));
    }
}
