//! WebSocket frames: the pieces in which bytes come change nothing, and a Close of ours is one frame.

use crate::proxy::stream::websocket::{
    CloseCode, FrameKind, FrameTracker, Place, Step, close_frame,
};

/// What a direction was seen to be: where each frame ends, what it is, how long its payload is.
type Seen = (Vec<(usize, FrameKind, u64)>, Place);

/// The first byte says in which pieces the others come, and how a Close of ours is masked.
pub fn frames(bytes: &[u8]) {
    let Some((&turn, stream)) = bytes.split_first() else {
        return;
    };
    let whole = seen(std::iter::once(stream));
    assert_eq!(whole, walked(stream), "{stream:x?}");
    assert_eq!(seen(stream.chunks(1)), whole, "byte by byte: {stream:x?}");
    let at = usize::from(turn).min(stream.len());
    assert_eq!(
        seen([&stream[..at], &stream[at..]]),
        whole,
        "cut at {at}: {stream:x?}"
    );
    closes(
        &String::from_utf8_lossy(stream),
        (turn & 1 == 1).then_some([turn; 4]),
    );
}

fn seen<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Seen {
    let mut tracker = FrameTracker::new();
    let (mut frames, mut at) = (Vec::new(), 0);
    for mut piece in pieces {
        loop {
            let rest = tracker.rest_of_frame(piece);
            match tracker.step(piece) {
                Step::Frame { frame, used } => {
                    assert_eq!(rest, Some(used));
                    at += used;
                    piece = &piece[used..];
                    frames.push((at, frame.kind, frame.payload_bytes));
                }
                Step::Part => break assert_eq!(rest, Some(piece.len())),
                Step::Malformed => break assert_eq!(rest, None),
            }
        }
        at += piece.len();
    }
    (frames, tracker.place())
}

/// The same by somebody who has all the bytes before him (RFC 6455, 5.2).
fn walked(stream: &[u8]) -> Seen {
    let (mut frames, mut at) = (Vec::new(), 0);
    loop {
        if at == stream.len() {
            return (frames, Place::Boundary);
        }
        let Some((header_bytes, payload_bytes)) = lengths(&stream[at..]) else {
            return (frames, Place::Inside);
        };
        let Some(kind) = kind(stream[at], payload_bytes) else {
            return (frames, Place::Lost);
        };
        let left = stream.len() - at - header_bytes;
        if payload_bytes > left as u64 {
            return (frames, Place::Inside);
        }
        at += header_bytes + payload_bytes as usize;
        frames.push((at, kind, payload_bytes));
        if kind == FrameKind::Close {
            return (frames, Place::Closed);
        }
    }
}

/// Of header and payload; none where the header is not complete.
fn lengths(bytes: &[u8]) -> Option<(usize, u64)> {
    let (first, mask_bytes) = (bytes.get(1)? & 0x7f, usize::from(bytes[1] >> 7) * 4);
    let extended = match first {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let length = bytes.get(2..2 + extended)?;
    bytes.get(2 + extended..2 + extended + mask_bytes)?;
    let length = length
        .iter()
        .fold(0, |length, byte| length << 8 | u64::from(*byte));
    let payload_bytes = if extended == 0 {
        u64::from(first)
    } else {
        length
    };
    Some((2 + extended + mask_bytes, payload_bytes))
}

/// None where no frame begins like this.
fn kind(first: u8, payload_bytes: u64) -> Option<FrameKind> {
    let kind = match first & 0xf {
        0 => FrameKind::Continuation,
        1 => FrameKind::Text,
        2 => FrameKind::Binary,
        8 => FrameKind::Close,
        9 => FrameKind::Ping,
        10 => FrameKind::Pong,
        _ => return None,
    };
    let is_control = first & 8 != 0;
    let fits = !is_control || (first & 0x80 != 0 && payload_bytes < 126);
    (fits && payload_bytes >> 63 == 0).then_some(kind)
}

/// Whatever the reason, our Close is one whole frame with as much of it as fits.
fn closes(reason: &str, mask: Option<[u8; 4]>) {
    let frame = close_frame(CloseCode::PolicyViolation, reason, mask);
    let (header_bytes, payload_bytes) = lengths(&frame).expect("a Close has a header");
    assert_eq!(frame.len() as u64, header_bytes as u64 + payload_bytes);
    let (frames, place) = seen([&frame[..]]);
    assert_eq!(frames, [(frame.len(), FrameKind::Close, payload_bytes)]);
    assert_eq!(place, Place::Closed);
    let mask = mask.unwrap_or_default();
    let payload = frame[header_bytes..].iter().zip(mask.iter().cycle());
    let payload: Vec<u8> = payload.map(|(byte, mask)| byte ^ mask).collect();
    assert_eq!(payload[..2], 1008_u16.to_be_bytes());
    let told = str::from_utf8(&payload[2..]).expect("a reason is text (RFC 6455, 7.1.6)");
    assert!(reason.starts_with(told));
    assert!(
        told.len() + 4 > reason.len().min(123),
        "cut shorter than a character: {told:?}"
    );
}
