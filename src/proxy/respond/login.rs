//! The refusal of a login that the app took: its user has as many sessions as he may have.
//!
//! 403: who he is was proven, so it is no 401, which would ask him to do it again; and trying again
//! changes nothing before another session ends, so it is no 429 either, after which clients do.

use http::header::SET_COOKIE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::config::app::App;
use crate::domain::access::Client;
use crate::proxy::learn::lesson::{LoginRefused, WhyRefused};
use crate::proxy::page;
use crate::proxy::upstream::AnswerBody;

use super::{custom_answer, custom_for, html, login_page, mark, problem};

/// The machine-readable code of the refusal, which is the audit's word too.
pub(crate) fn code(why: WhyRefused) -> &'static str {
    match why {
        WhyRefused::TooMany => "too_many_sessions",
        WhyRefused::Nameless => "login_without_user",
    }
}

fn sentence(why: WhyRefused) -> &'static str {
    match why {
        WhyRefused::TooMany => {
            "You are signed in elsewhere as often as is allowed. Sign out there, or wait until one \
             of those sessions ends, and sign in again."
        }
        WhyRefused::Nameless => {
            "This sign-in did not tell who you are in the way that it should. Please use the \
             application's sign-in page."
        }
    }
}

/// Answers a login in place of the app. `expired` are Set-Cookies.
pub(crate) fn refuse_login(
    app: &App,
    client: Client,
    refused: &LoginRefused,
    expired: impl IntoIterator<Item = HeaderValue>,
) -> Response<AnswerBody> {
    let (code, sentence) = (code(refused.why), sentence(refused.why));
    let status = StatusCode::FORBIDDEN;
    let mut answer = match (custom_for(app, client), client) {
        (Some(custom), _) => custom_answer(custom, code, sentence),
        (None, Client::Navigation) => html(status, page::login_refused(sentence, login_page(app))),
        (None, Client::Script | Client::Upgrade) => {
            let mut document = json!({
                "type": format!("urn:curfew:{code}"),
                "title": "Sign-in refused",
                "status": status.as_u16(),
                "detail": sentence,
                "code": code,
                "app": &*app.name,
            });
            if refused.why == WhyRefused::TooMany {
                document["max_sessions"] = refused.seats.limit.seats.into();
            }
            problem(status, &document)
        }
    };
    mark(&mut answer, code);
    for cookie in expired {
        answer.headers_mut().append(SET_COOKIE, cookie);
    }
    answer
}
