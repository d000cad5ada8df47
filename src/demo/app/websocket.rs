//! As much of the WebSocket protocol as a server needs that mostly talks (RFC 6455).

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use http::header::{CONNECTION, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, HeaderValue};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What the accept key is made with (RFC 6455, section 1.3).
const ACCEPT_GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// A key is 16 bytes in base64 (section 4.1).
const KEY_LENGTH: usize = 24;
/// The largest frame a client may send, in bytes; the pages send none but control frames.
const CLIENT_FRAME_MAX: usize = 1024;
/// The largest payload of a control frame (section 5.5), in bytes.
const CONTROL_MAX: usize = 125;

/// The first bit of a frame: it is the last of its message.
const FIN: u8 = 0x80;
/// The first bit of the length: the payload is masked.
const MASKED: u8 = 0x80;

/// What a frame is for (section 5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opcode {
    Text = 0x1,
    Close = 0x8,
    Pong = 0xA,
}

/// Why a connection is closed (section 7.4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CloseCode {
    Normal = 1000,
    GoingAway = 1001,
    ProtocolError = 1002,
    TooLarge = 1009,
}

/// Something the client sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Incoming {
    /// To be answered by a pong of the same payload.
    Ping(Vec<u8>),
    /// The client is done.
    Close,
    /// Nothing that asks for an answer.
    Other,
}

/// Why nothing more is read from a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// The connection is gone.
    Gone,
    /// The client speaks something else, and is told so.
    Fault(CloseCode),
}

/// The value of `Sec-WebSocket-Accept` for a request that asks for a WebSocket as it should.
pub(super) fn accept(headers: &HeaderMap) -> Option<HeaderValue> {
    let key = headers.get(SEC_WEBSOCKET_KEY)?.as_bytes();
    let asked = has_token(headers, UPGRADE, "websocket")
        && has_token(headers, CONNECTION, "upgrade")
        && headers
            .get(SEC_WEBSOCKET_VERSION)
            .is_some_and(|version| version == "13")
        && key.len() == KEY_LENGTH;
    asked.then(|| HeaderValue::from_str(&accept_key(key)).expect("base64 is visible ASCII"))
}

/// A frame with a text, at most 65,535 bytes of it.
pub(super) fn text(message: &str) -> Vec<u8> {
    frame(Opcode::Text, message.as_bytes())
}

/// The answer to a ping.
pub(super) fn pong(payload: &[u8]) -> Vec<u8> {
    frame(Opcode::Pong, payload)
}

/// The frame that ends a connection.
pub(super) fn close(code: CloseCode) -> Vec<u8> {
    frame(Opcode::Close, &(code as u16).to_be_bytes())
}

/// Reads one frame of the client's.
pub(super) async fn read<R: AsyncRead + Unpin>(reader: &mut R) -> Result<Incoming, Broken> {
    let first = byte(reader).await?;
    let second = byte(reader).await?;
    if second & MASKED == 0 || first & 0x70 != 0 {
        return Err(Broken::Fault(CloseCode::ProtocolError));
    }
    let length = match second & !MASKED {
        126 => usize::from(u16::from_be_bytes([
            byte(reader).await?,
            byte(reader).await?,
        ])),
        127 => return Err(Broken::Fault(CloseCode::TooLarge)),
        short => usize::from(short),
    };
    if length > CLIENT_FRAME_MAX {
        return Err(Broken::Fault(CloseCode::TooLarge));
    }
    let mut mask = [0; 4];
    fill(reader, &mut mask).await?;
    let mut payload = vec![0; length];
    fill(reader, &mut payload).await?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    match first & 0x0F {
        0x8..=0xF if length > CONTROL_MAX || first & FIN == 0 => {
            Err(Broken::Fault(CloseCode::ProtocolError))
        }
        0x8 => Ok(Incoming::Close),
        0x9 => Ok(Incoming::Ping(payload)),
        _ => Ok(Incoming::Other),
    }
}

async fn byte<R: AsyncRead + Unpin>(reader: &mut R) -> Result<u8, Broken> {
    reader.read_u8().await.map_err(|_| Broken::Gone)
}

async fn fill<R: AsyncRead + Unpin>(reader: &mut R, into: &mut [u8]) -> Result<(), Broken> {
    reader.read_exact(into).await.map_err(|_| Broken::Gone)?;
    Ok(())
}

/// An unmasked whole message, as a server sends it (section 5.1).
fn frame(opcode: Opcode, payload: &[u8]) -> Vec<u8> {
    let length = payload.len().min(usize::from(u16::MAX));
    let mut frame = vec![FIN | opcode as u8];
    match u8::try_from(length) {
        Ok(short) if short < 126 => frame.push(short),
        _ => {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
    }
    frame.extend(&payload[..length]);
    frame
}

/// Whether a comma-separated header lists that token, in any case.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|listed| listed.trim().eq_ignore_ascii_case(token))
}

/// Base64 of the SHA-1 of the key and the GUID (section 4.2.2).
fn accept_key(key: &[u8]) -> String {
    let seed = [key, ACCEPT_GUID.as_bytes()].concat();
    base64(digest(&SHA1_FOR_LEGACY_USE_ONLY, &seed).as_ref())
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let at = |place: usize| three.get(place).map_or(0, |byte| u32::from(*byte));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= three.len() {
                char::from(digit)
            } else {
                '='
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};

    use super::{Broken, CLIENT_FRAME_MAX, CloseCode, Incoming, accept, base64, close, read, text};

    fn handshake() -> HeaderMap {
        [
            (UPGRADE, "WebSocket"),
            (CONNECTION, "keep-alive, Upgrade"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ]
        .map(|(name, value)| (name, value.parse().unwrap()))
        .into_iter()
        .collect()
    }

    #[test]
    fn the_sample_key_of_the_rfc_is_accepted_with_its_answer() {
        assert_eq!(
            accept(&handshake()).unwrap(),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn each_part_of_the_handshake_is_needed() {
        for name in [
            UPGRADE,
            CONNECTION,
            SEC_WEBSOCKET_VERSION,
            SEC_WEBSOCKET_KEY,
        ] {
            let mut headers = handshake();
            headers.insert(&name, "x".parse().unwrap());
            assert_eq!(accept(&headers), None, "{name}");
            headers.remove(&name);
            assert_eq!(accept(&headers), None, "{name}");
        }
    }

    #[test]
    fn base64_pads_to_whole_groups() {
        for (bytes, expected) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foobar", "Zm9vYmFy"),
        ] {
            assert_eq!(base64(bytes.as_bytes()), expected, "{bytes}");
        }
        assert_eq!(base64(&[0xFB, 0xFF, 0xFE]), "+//+");
    }

    #[test]
    fn a_length_of_126_takes_the_longer_form() {
        assert_eq!(text("hi"), [0x81, 2, b'h', b'i']);
        assert_eq!(text(&"a".repeat(125))[..2], [0x81, 125]);
        assert_eq!(text(&"a".repeat(126))[..4], [0x81, 126, 0, 126]);
        assert_eq!(close(CloseCode::GoingAway), [0x88, 2, 0x03, 0xE9]);
    }

    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [1, 2, 3, 4];
        let mut frame = vec![first, 0x80 | 126];
        frame.extend((payload.len() as u16).to_be_bytes());
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b));
        frame
    }

    #[tokio::test]
    async fn what_a_client_sends_is_unmasked_and_told_apart() {
        for (first, expected) in [
            (0x89, Incoming::Ping(b"hello".to_vec())),
            (0x88, Incoming::Close),
            (0x81, Incoming::Other),
        ] {
            let frame = masked(first, b"hello");
            assert_eq!(read(&mut &frame[..]).await, Ok(expected), "{first:#x}");
        }
    }

    #[tokio::test]
    async fn a_client_out_of_line_is_told_why() {
        let protocol = Err(Broken::Fault(CloseCode::ProtocolError));
        let large = Err(Broken::Fault(CloseCode::TooLarge));
        for (frame, expected) in [
            (vec![], Err(Broken::Gone)),
            (masked(0x81, b"cut")[..9].to_vec(), Err(Broken::Gone)),
            (vec![0x81, 2, b'h', b'i'], protocol.clone()),
            (masked(0xC1, b"reserved bit"), protocol.clone()),
            (masked(0x09, b"ping in parts"), protocol.clone()),
            (masked(0x89, &[0; 126]), protocol),
            (vec![0x81, 0xFF], large.clone()),
            (masked(0x81, &[0; CLIENT_FRAME_MAX]), Ok(Incoming::Other)),
            (masked(0x81, &[0; CLIENT_FRAME_MAX + 1]), large),
        ] {
            assert_eq!(read(&mut &frame[..]).await, expected, "{frame:?}");
        }
    }
}
