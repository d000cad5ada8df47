//! The shapes every answer takes, and the one table from a refusal to its status and words.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue,
    LOCATION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_VERSION, UPGRADE, X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::Full;

/// A whole answer. Its body has a known size, so hyper sends a `Content-Length` with each.
pub(super) type Answer = Response<Full<Bytes>>;

/// Why a request is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The form's body did not arrive, or broke off.
    BrokenForm,
    /// The account may not do this.
    Forbidden,
    /// There is no such page or requisition.
    NotFound,
    /// The path exists for other methods only: those listed.
    WrongMethod(&'static str),
    /// The form's body took too long.
    SlowForm,
    /// Somebody else was faster.
    AlreadyDecided,
    /// The form's body is too large.
    LargeForm,
    /// The path only speaks WebSocket, and the request did not ask for it as it should.
    NotWebSocket,
    /// The server lacks what it needs, for now.
    Overloaded,
}

impl Refusal {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BrokenForm => StatusCode::BAD_REQUEST,
            Self::Forbidden => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::WrongMethod(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::SlowForm => StatusCode::REQUEST_TIMEOUT,
            Self::AlreadyDecided => StatusCode::CONFLICT,
            Self::LargeForm => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotWebSocket => StatusCode::UPGRADE_REQUIRED,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What happened, in a few words.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::BrokenForm => "The form did not arrive",
            Self::Forbidden => "Approvers only",
            Self::NotFound => "Nothing here",
            Self::WrongMethod(_) => "That cannot be done here",
            Self::SlowForm => "The form took too long",
            Self::AlreadyDecided => "Already decided",
            Self::LargeForm => "The form is too large",
            Self::NotWebSocket => "WebSocket only",
            Self::Overloaded => "Too busy right now",
        }
    }

    /// What to do about it.
    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::BrokenForm | Self::SlowForm => "Go back and send it once more.",
            Self::Forbidden => "Your account asks for things; deciding is for approvers.",
            Self::NotFound => "The address may be mistyped, or what it named is gone.",
            Self::WrongMethod(_) => "Use the pages and their buttons.",
            Self::AlreadyDecided => "Somebody else has decided on this requisition before you.",
            Self::LargeForm => "Nothing was saved. Shorten the text and send it once more.",
            Self::NotWebSocket => "The pages show these prices; there is no page of them alone.",
            Self::Overloaded => "Nothing was saved. Try again in a moment.",
        }
    }
}

/// A page that no cache may keep: it shows what one person may see.
pub(super) fn page(status: StatusCode, html: String) -> Answer {
    content(status, "text/html; charset=utf-8", html.into())
}

/// An answer for a script.
pub(super) fn json(status: StatusCode, value: &serde_json::Value) -> Answer {
    content(status, "application/json", value.to_string().into())
}

/// The answer to a script without a login.
pub(super) fn not_signed_in() -> Answer {
    let problem = serde_json::json!({
        "title": "You are not signed in",
        "detail": "Sign in to go on.",
        "status": 401,
    });
    json(StatusCode::UNAUTHORIZED, &problem)
}

/// `302 Found`, as such applications redirect.
pub(super) fn found(location: &'static str) -> Answer {
    redirect(StatusCode::FOUND, location)
}

/// `303 See Other`: a form was accepted, its page shows the outcome.
pub(super) fn see_other(location: &'static str) -> Answer {
    redirect(StatusCode::SEE_OTHER, location)
}

/// Style, script or icon: the same for everybody.
pub(super) fn asset(content_type: &'static str, text: &'static str) -> Answer {
    let body = Bytes::from_static(text.as_bytes());
    let mut answer = content(StatusCode::OK, content_type, body);
    set(&mut answer, CACHE_CONTROL, "no-cache");
    answer
}

/// A refusal's page, with the headers that say what would do instead.
pub(super) fn refused(refusal: Refusal, html: String) -> Answer {
    let mut answer = page(refusal.status(), html);
    match refusal {
        Refusal::WrongMethod(allowed) => set(&mut answer, ALLOW, allowed),
        Refusal::NotWebSocket => {
            set(&mut answer, UPGRADE, "websocket");
            set(&mut answer, SEC_WEBSOCKET_VERSION, "13");
        }
        _ => {}
    }
    answer
}

/// `101 Switching Protocols`: from here on the connection carries frames.
pub(super) fn websocket(accept: HeaderValue) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    set(&mut answer, CONNECTION, "upgrade");
    set(&mut answer, UPGRADE, "websocket");
    answer.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    answer
}

fn redirect(status: StatusCode, location: &'static str) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    set(&mut answer, LOCATION, location);
    // hyper leaves it out of an answer to HEAD whose body is empty.
    set(&mut answer, CONTENT_LENGTH, "0");
    set(&mut answer, CACHE_CONTROL, "no-store");
    answer
}

fn content(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    set(&mut answer, CONTENT_TYPE, content_type);
    set(&mut answer, CACHE_CONTROL, "no-store");
    set(&mut answer, X_CONTENT_TYPE_OPTIONS, "nosniff");
    answer
}

fn set(answer: &mut Answer, name: HeaderName, value: &'static str) {
    answer
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}
