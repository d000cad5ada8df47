use std::pin::pin;
use std::task::{Context, Waker};

use proptest::prelude::{any, proptest};
use proptest::{collection, prop_assert_eq};

use super::{FrameWatch, MESSAGE_BYTES_MAX};
use crate::config::load::parse_alone;

const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const PING: u8 = 0x9;
const RSV1: u8 = 0x40;

const APP: &str = r#"
    listeners = [{ address = "127.0.0.1:0" }]
    roles.buyer = { idle = "15m", absolute = "8h", users = ["buyer-1"] }
    [[apps]]
    name = "shop"
    upstreams = ["http://127.0.0.1:1"]
    session = { id = "cookie:SID" }
    logins = [{ path = "/login", user = "form:user", success = { new_session = true } }]
"#;

fn watch(rules: &str) -> FrameWatch {
    let config = parse_alone(&format!("{APP}{rules}"), "test.toml").unwrap();
    FrameWatch::new(config.config.apps[0].passivity.frames.clone())
}

/// A frame as a client writes it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x33, 0x44];
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend((length as u16).to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(mask);
    frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m));
    frame
}

fn text(message: &str) -> Vec<u8> {
    frame(FIN | TEXT, message.as_bytes())
}

impl FrameWatch {
    /// Whether a person was heard since this was asked last.
    fn has_heard(&self) -> bool {
        let heard = self.heard();
        let notified = pin!(heard.notified());
        let mut context = Context::from_waker(Waker::noop());
        notified.poll(&mut context).is_ready()
    }

    fn hears(&mut self, bytes: &[u8]) -> bool {
        self.follow(bytes);
        self.has_heard()
    }
}

#[test]
fn no_heartbeat_of_a_preset_is_a_person() {
    for (preset, heartbeats, person) in [
        (
            "signalr",
            &[
                "{\"protocol\":\"json\",\"version\":1}\u{1e}",
                "{\"type\":6}\u{1e}",
                "{\"type\":6}\u{1e}{\"type\":6}\u{1e}",
                "{\"type\":3,\"invocationId\":\"1\"}\u{1e}",
                "",
            ][..],
            "{\"type\":6}\u{1e}{\"type\":1,\"target\":\"Save\",\"arguments\":[]}\u{1e}",
        ),
        (
            "stomp",
            &[
                "\n",
                "\r\n",
                "CONNECT\naccept-version:1.2\n\n\0",
                "SUBSCRIBE\nid:0\n\n\0",
                "[\"\\n\"]",
            ],
            "SEND\ndestination:/app/edit\n\n\0",
        ),
        (
            "stomp",
            &[],
            "[\"SEND\\ndestination:/app/edit\\n\\n\\u0000\"]",
        ),
        (
            "socket.io",
            &["2", "3", "2probe", "5", "40", "41", "43[]"],
            "42[\"edit\",{}]",
        ),
    ] {
        let mut watch = watch(&format!("presets = [{preset:?}]"));
        for heartbeat in heartbeats {
            assert!(!watch.hears(&text(heartbeat)), "{preset}: {heartbeat:?}");
        }
        assert!(!watch.hears(&frame(FIN | PING, b"42SEND\n")));
        assert!(!watch.hears(&frame(FIN | BINARY, person.as_bytes())));
        assert!(watch.hears(&text(person)), "{preset}: {person:?}");
    }
}

#[test]
fn a_message_is_as_long_as_its_payload() {
    let mut watch = watch("person_frames = [{ min_bytes = 20 }]");
    assert!(!watch.hears(&text(&"x".repeat(19))));
    assert!(watch.hears(&text(&"x".repeat(20))));
    assert!(watch.hears(&text(&"x".repeat(3 * MESSAGE_BYTES_MAX))));
}

#[test]
fn fields_of_json_allow_and_deny() {
    let mut watch = watch(
        r#"person_frames = [
            { json = { "/type" = "edit" }, json_not = { "/auto" = true, "/system" = "*" } },
            { opcode = "binary", json = { "/by/user" = "*" } },
        ]"#,
    );
    for (message, heard) in [
        (r#"{"type":"edit"}"#, true),
        (r#"{"type":"edit","auto":false}"#, true),
        (r#"{"type":"edit","auto":true}"#, false),
        (r#"{"type":"edit","system":0}"#, false),
        (r#"{"type":"poll"}"#, false),
        (r#"{"type":"edit"}{"#, false),
        ("edit", false),
        (r#"{"by":{"user":1}}"#, false),
    ] {
        assert_eq!(watch.hears(&text(message)), heard, "{message}");
    }
    assert!(watch.hears(&frame(FIN | BINARY, br#"{"by":{"user":1}}"#)));
}

#[test]
fn a_message_may_come_in_fragments_with_control_frames_between() {
    let mut watch = watch("person_frames = [{ json = { \"/type\" = \"edit\" } }]");
    assert!(!watch.hears(&frame(TEXT, br#"{"type""#)));
    assert!(!watch.hears(&frame(FIN | PING, b"x")));
    assert!(!watch.hears(&frame(0, br#":"edit"#)));
    assert!(watch.hears(&frame(FIN, br#""}"#)));
    // Nothing of it is left for the next.
    assert!(!watch.hears(&text("\"}")));
}

#[test]
fn what_an_extension_made_of_a_message_is_not_read() {
    let mut watch = watch("person_frames = [{}]");
    assert!(!watch.hears(&frame(FIN | TEXT | RSV1, b"x")));
    assert!(!watch.hears(&frame(TEXT | RSV1, b"x")));
    assert!(!watch.hears(&frame(FIN, b"x")));
    assert!(watch.hears(&text("x")));
}

#[test]
fn of_a_message_that_is_too_long_the_beginning_counts_and_no_json() {
    let long = |start: &str| text(&format!("{start}{}}}", " ".repeat(MESSAGE_BYTES_MAX)));
    let mut begins = watch("person_frames = [{ prefix = \"SEND\" }]");
    assert!(begins.hears(&long("SEND")));
    let mut json = watch("person_frames = [{ json = { \"/a\" = 1 } }]");
    assert!(json.hears(&text(r#"{"a":1}"#)));
    assert!(!json.hears(&long(r#"{"a":1"#)));
}

proptest! {
    #[test]
    fn it_does_not_matter_how_the_bytes_arrive_nor_what_they_are(
        noise in collection::vec(any::<u8>(), 0..200),
        piece_bytes in 1..40_usize,
    ) {
        let rules = "person_frames = [{ prefix = \"SEND\", min_bytes = 6 }]";
        let (mut whole, mut pieces) = (watch(rules), watch(rules));
        let bytes = [frame(FIN | TEXT, b"SEND\n\n"), noise].concat();
        let heard = whole.hears(&bytes);
        bytes.chunks(piece_bytes).for_each(|piece| pieces.follow(piece));
        assert!(heard);
        prop_assert_eq!(pieces.has_heard(), heard);
    }
}

#[test]
fn no_more_of_a_message_is_held_than_the_rules_read() {
    for (rule, held) in [
        ("prefix = \"SEND\"\nmin_bytes = 100", 4),
        ("", 0),
        ("json = { \"/a\" = 1 }", 500),
        ("separator = \"|\"", 500),
    ] {
        let mut watch = watch(&format!("[[apps.person_frames]]\n{rule}\n"));
        let whole = text(&"S".repeat(600));
        let begun = whole.len() - 100;
        watch.follow(&whole[..begun]);
        assert_eq!(watch.message.held.len(), held, "{rule}");
    }
}
