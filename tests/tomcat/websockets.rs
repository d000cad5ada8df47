//! A WebSocket of Tomcat's examples, which the policy lets only those open who have logged in.

use std::net::TcpStream;
use std::time::Duration;

use http::header::COOKIE;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, HandshakeError, Message, WebSocket, client};

use crate::stage::{BUYER_ABSOLUTE, BUYER_IDLE, PROTECTED, PROTECTED_PAGE, Stage, TICK, user};

const ECHO: &str = "/examples/websocket/echoAnnotation";

/// An end must cut a stream within a second; the rest is for a machine that is busy.
const CUT_MAX: Duration = Duration::from_secs(20);

fn open(stage: &Stage, cookies: &str) -> Result<WebSocket<TcpStream>, u16> {
    let stream = TcpStream::connect(stage.address()).expect("the gateway listens");
    stream
        .set_read_timeout(Some(CUT_MAX))
        .expect("the timeout is not zero");
    let mut request = format!("ws://shop.test{ECHO}")
        .into_client_request()
        .expect("the address is well-formed");
    if !cookies.is_empty() {
        let cookies = cookies.parse().expect("cookies here are ASCII");
        request.headers_mut().insert(COOKIE, cookies);
    }
    match client(request, stream) {
        Ok((socket, _)) => Ok(socket),
        Err(HandshakeError::Failure(Error::Http(answer))) => Err(answer.status().as_u16()),
        Err(error) => panic!("no handshake: {error}"),
    }
}

fn echo(socket: &mut WebSocket<TcpStream>, text: &str) {
    socket
        .send(Message::text(text))
        .expect("the socket is open");
    assert_eq!(socket.read().expect("Tomcat answers"), Message::text(text));
}

/// The Close frame that comes next.
fn closed(socket: &mut WebSocket<TcpStream>) -> (CloseCode, String) {
    match socket.read().expect("a frame comes in time") {
        Message::Close(Some(frame)) => (frame.code, frame.reason.to_string()),
        other => panic!("not closed: {other:?}"),
    }
}

#[test]
fn a_websocket_needs_a_login() {
    let stage = Stage::new();
    assert_eq!(open(&stage, "").err(), Some(401));
    let mut browser = stage.browser();
    browser.open(PROTECTED);
    assert_eq!(
        open(&stage, &browser.cookies_for(ECHO)).err(),
        Some(401),
        "an anonymous id is no login"
    );
    stage.log_in(&mut browser, "buyer");
    let mut socket = open(&stage, &browser.cookies_for(ECHO)).expect("he has logged in");
    echo(&mut socket, "hello");
}

#[test]
fn a_websocket_is_cut_when_its_session_goes_idle_however_much_it_says() {
    let stage = Stage::new();
    let browser = stage.logged_in("buyer");
    let cookies = browser.cookies_for(ECHO);
    let mut socket = open(&stage, &cookies).expect("he has logged in");
    stage.advance(BUYER_IDLE - TICK);
    echo(&mut socket, "still here");
    stage.advance(TICK);
    assert_eq!(
        closed(&mut socket),
        (CloseCode::Policy, "session_idle_timeout".to_owned())
    );
    assert_eq!(open(&stage, &cookies).err(), Some(401));
}

#[test]
fn a_websocket_lives_on_while_its_user_works_and_is_cut_at_the_absolute_limit() {
    let stage = Stage::new();
    let mut browser = stage.logged_in("buyer");
    let mut socket = open(&stage, &browser.cookies_for(ECHO)).expect("he has logged in");
    let steps = BUYER_ABSOLUTE.as_millis() / (BUYER_IDLE - TICK).as_millis();
    for _ in 0..steps {
        stage.advance(BUYER_IDLE - TICK);
        assert_eq!(browser.open(PROTECTED).title(), PROTECTED_PAGE);
        echo(&mut socket, "at work");
    }
    stage.advance(BUYER_IDLE - TICK);
    assert_eq!(
        closed(&mut socket),
        (CloseCode::Policy, "session_absolute_timeout".to_owned())
    );
}

#[test]
fn a_websocket_is_cut_when_its_user_is_revoked_and_a_new_login_opens_another() {
    let stage = Stage::new();
    let mut browser = stage.logged_in("buyer");
    let mut socket = open(&stage, &browser.cookies_for(ECHO)).expect("he has logged in");
    stage.advance(TICK);
    assert_eq!(stage.revoke(&user("buyer")).status, 200);
    assert_eq!(
        closed(&mut socket),
        (CloseCode::Policy, "session_revoked".to_owned())
    );

    stage.advance(TICK);
    stage.log_in(&mut browser, "buyer");
    let mut socket = open(&stage, &browser.cookies_for(ECHO)).expect("he has logged in");
    echo(&mut socket, "back");
}

/// Tomcat closes it too, of its own accord: whoever is first, it is closed.
#[test]
fn a_websocket_is_closed_when_its_user_logs_out() {
    let stage = Stage::new();
    let mut browser = stage.logged_in("buyer");
    let mut socket = open(&stage, &browser.cookies_for(ECHO)).expect("he has logged in");
    browser.open(&format!("{PROTECTED}?logoff=true"));
    assert_eq!(closed(&mut socket).0, CloseCode::Policy);
}
