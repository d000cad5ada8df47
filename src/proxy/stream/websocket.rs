//! Where the frames of a WebSocket end (RFC 6455, 5.2), and the one frame that is ours: Close.
//!
//! A tracker follows one direction in pieces of any size and keeps no more than a header. It
//! objects only to what makes a boundary doubtful; masks, extension bits and the order of
//! fragments are the endpoints' business.

/// Two bytes, a 64-bit length, a mask.
const HEADER_BYTES_MAX: usize = 14;

/// Payload bytes of a control frame, at most (RFC 6455, 5.5).
const CONTROL_BYTES_MAX: usize = 125;

/// What a frame is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum FrameKind {
    /// More of the message before.
    Continuation,
    /// Text, or its first fragment.
    Text,
    /// Binary data, or its first fragment.
    Binary,
    /// The last frame of its direction.
    Close,
    /// Asks for a sign of life.
    Ping,
    /// Gives one.
    Pong,
}

/// One frame that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    /// What it is for.
    pub(crate) kind: FrameKind,
    /// How long its payload is.
    pub(crate) payload_bytes: u64,
}

/// Some of a frame's payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PayloadPart<'a> {
    /// What the frame is for.
    pub(crate) kind: FrameKind,
    /// Whether no fragment follows.
    pub(crate) is_last_fragment: bool,
    /// Whether an extension made something else of it, such as its compressed form.
    pub(crate) is_extended: bool,
    /// The part's place in the payload.
    pub(crate) offset: u64,
    /// As they came.
    bytes: &'a [u8],
    mask: [u8; 4],
}

impl PayloadPart<'_> {
    /// What the bytes are without their mask (RFC 6455, 5.3).
    pub(crate) fn unmasked(&self) -> impl ExactSizeIterator<Item = u8> {
        let start = (self.offset % 4) as usize;
        let bytes = self.bytes.iter().enumerate();
        bytes.map(move |(index, byte)| byte ^ self.mask[(start + index) % 4])
    }
}

/// What the bytes given to a tracker were.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// All belong to a frame that goes on.
    Part,
    /// The frame's last byte is the last of the first `used`.
    Frame {
        /// The frame that ended.
        frame: Frame,
        /// How many of the bytes are its.
        used: usize,
    },
    /// They are no frame, and nothing after them will be understood.
    Malformed,
}

/// Where one direction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// Between two frames, where another may be put.
    Boundary,
    /// Within a frame.
    Inside,
    /// After its Close frame.
    Closed,
    /// After something that is no frame.
    Lost,
}

/// Follows the frames of one direction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FrameTracker(State);

#[derive(Debug, Clone, Copy)]
enum State {
    Header(Header),
    Payload(Payload),
    Closed,
    Lost,
}

impl FrameTracker {
    /// A tracker before the first frame.
    pub(crate) fn new() -> Self {
        Self(State::Header(Header::default()))
    }

    /// Where the direction stands after all bytes seen so far.
    pub(crate) fn place(&self) -> Place {
        match &self.0 {
            State::Header(header) if header.filled == 0 => Place::Boundary,
            State::Header(_) | State::Payload(_) => Place::Inside,
            State::Closed => Place::Closed,
            State::Lost => Place::Lost,
        }
    }

    /// Goes to the end of the frame, or of the bytes where they end before it.
    pub(crate) fn step(&mut self, bytes: &[u8]) -> Step {
        self.step_reading(bytes, |_| {})
    }

    /// The same, and gives what it passes of the payload to `read`.
    pub(crate) fn step_reading(
        &mut self,
        bytes: &[u8],
        read: impl FnOnce(PayloadPart<'_>),
    ) -> Step {
        let mut used = 0;
        if let State::Header(header) = &mut self.0 {
            used = header.fill(bytes);
            if header.filled < header.needed() {
                return Step::Part;
            }
            let payload = header.payload();
            self.0 = payload.map_or(State::Lost, State::Payload);
        }
        match &mut self.0 {
            State::Payload(payload) => {
                let part = payload.pass(&bytes[used..]);
                used += part.bytes.len();
                read(part);
                if payload.left > 0 {
                    return Step::Part;
                }
                let frame = payload.frame;
                self.0 = match frame.kind {
                    FrameKind::Close => State::Closed,
                    _ => State::Header(Header::default()),
                };
                Step::Frame { frame, used }
            }
            State::Lost => Step::Malformed,
            State::Closed | State::Header(_) => Step::Part,
        }
    }

    /// Goes over all the bytes.
    pub(crate) fn follow(&mut self, mut bytes: &[u8]) {
        while let Step::Frame { used, .. } = self.step(bytes) {
            bytes = &bytes[used..];
        }
    }

    /// How many of the bytes belong to the frame the direction is in; none where they are no frame.
    pub(crate) fn rest_of_frame(&self, bytes: &[u8]) -> Option<usize> {
        let mut ahead = *self;
        match ahead.step(bytes) {
            Step::Part => Some(bytes.len()),
            Step::Frame { used, .. } => Some(used),
            Step::Malformed => None,
        }
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Header {
    bytes: [u8; HEADER_BYTES_MAX],
    filled: usize,
}

impl Header {
    /// How long it is, as far as its bytes tell by now.
    fn needed(&self) -> usize {
        if self.filled < 2 {
            return 2;
        }
        let mask_bytes = if self.is_masked() { 4 } else { 0 };
        2 + self.length_bytes() + mask_bytes
    }

    /// Takes what it needs of the bytes and answers how many.
    fn fill(&mut self, bytes: &[u8]) -> usize {
        let mut used = 0;
        while self.filled < self.needed() && used < bytes.len() {
            self.bytes[self.filled] = bytes[used];
            self.filled += 1;
            used += 1;
        }
        used
    }

    /// What a complete header announces; none where no frame begins like this.
    fn payload(&self) -> Option<Payload> {
        let kind = match self.bytes[0] & 0x0f {
            0x0 => FrameKind::Continuation,
            0x1 => FrameKind::Text,
            0x2 => FrameKind::Binary,
            0x8 => FrameKind::Close,
            0x9 => FrameKind::Ping,
            0xa => FrameKind::Pong,
            _ => return None,
        };
        let is_last_fragment = self.bytes[0] & 0x80 != 0;
        let is_control = self.bytes[0] & 0x08 != 0;
        let payload_bytes = self.payload_bytes();
        let fits_control = is_last_fragment && payload_bytes <= CONTROL_BYTES_MAX as u64;
        // The highest bit of a 64-bit length must be zero (5.2).
        if (is_control && !fits_control) || payload_bytes > i64::MAX as u64 {
            return None;
        }
        Some(Payload {
            frame: Frame {
                kind,
                payload_bytes,
            },
            left: payload_bytes,
            is_last_fragment,
            // Bits that mean nothing without an extension (5.2).
            is_extended: self.bytes[0] & 0x70 != 0,
            mask: self.mask(),
        })
    }

    /// The mask of a complete header; none is the same as one of zeros.
    fn mask(&self) -> [u8; 4] {
        let mask = self.bytes[..self.filled].last_chunk();
        let mask = mask.filter(|_| self.is_masked());
        mask.copied().unwrap_or_default()
    }

    fn is_masked(&self) -> bool {
        self.bytes[1] & 0x80 != 0
    }

    /// How long the extended length is.
    fn length_bytes(&self) -> usize {
        match self.bytes[1] & 0x7f {
            127 => 8,
            126 => 2,
            _ => 0,
        }
    }

    fn payload_bytes(&self) -> u64 {
        match self.length_bytes() {
            0 => u64::from(self.bytes[1] & 0x7f),
            extended => self.bytes[2..2 + extended]
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte)),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Payload {
    frame: Frame,
    left: u64,
    is_last_fragment: bool,
    is_extended: bool,
    mask: [u8; 4],
}

impl Payload {
    /// Takes what is its of the bytes.
    fn pass<'a>(&mut self, bytes: &'a [u8]) -> PayloadPart<'a> {
        let used = usize::try_from(self.left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let offset = self.frame.payload_bytes - self.left;
        self.left -= used as u64;
        PayloadPart {
            kind: self.frame.kind,
            is_last_fragment: self.is_last_fragment,
            is_extended: self.is_extended,
            offset,
            bytes: &bytes[..used],
            mask: self.mask,
        }
    }
}

/// Why a WebSocket closes, as its other end reads it (RFC 6455, 7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CloseCode {
    /// An endpoint goes away.
    GoingAway = 1001,
    /// What came violates a policy: here, of the session.
    PolicyViolation = 1008,
}

/// A Close frame. A reason that is too long for a control frame is cut short.
///
/// Frames to a server must be masked (RFC 6455, 5.3), with a mask that nobody can foresee.
pub(crate) fn close_frame(code: CloseCode, reason: &str, mask: Option<[u8; 4]>) -> Vec<u8> {
    let reason = &reason[..reason.floor_char_boundary(CONTROL_BYTES_MAX - 2)];
    let code = (code as u16).to_be_bytes();
    let length = (code.len() + reason.len()) as u8;
    let mut frame = vec![0x88, length];
    if let Some(mask) = mask {
        frame[1] |= 0x80;
        frame.extend(mask);
    }
    let mask = mask.unwrap_or_default();
    let payload = code.into_iter().chain(reason.bytes());
    frame.extend(
        payload
            .zip(mask.into_iter().cycle())
            .map(|(byte, mask)| byte ^ mask),
    );
    frame
}

#[cfg(test)]
mod tests;
