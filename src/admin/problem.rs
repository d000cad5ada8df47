//! Everything that the admin listener answers with an error: a problem document (RFC 9457).

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Serialize;

/// When a call that the store did not take may be tried again.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");

/// One error: what a program and what a person is told of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: &'static str,
}

impl Problem {
    pub(super) const NO_SUCH_PATH: Self = Self {
        status: StatusCode::NOT_FOUND,
        code: "no_such_path",
        detail: "The admin listener has nothing at this path.",
    };
    pub(super) const METHOD_NOT_ALLOWED: Self = Self {
        status: StatusCode::METHOD_NOT_ALLOWED,
        code: "method_not_allowed",
        detail: "This path takes another method; see the Allow header.",
    };
    pub(super) const TOKEN_REQUIRED: Self = Self {
        status: StatusCode::UNAUTHORIZED,
        code: "token_required",
        detail: "Send the admin token: Authorization: Bearer TOKEN.",
    };
    pub(super) const NO_TOKEN_CONFIGURED: Self = Self {
        status: StatusCode::FORBIDDEN,
        code: "no_token_configured",
        detail: "No admin token is configured, so this path is closed to everybody.",
    };
    pub(super) const BODY_LATE: Self = Self {
        status: StatusCode::REQUEST_TIMEOUT,
        code: "body_late",
        detail: "The body did not arrive in time.",
    };
    pub(super) const BODY_TOO_LARGE: Self = Self {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        code: "body_too_large",
        detail: "The body is longer than 16 KiB, or it broke off.",
    };
    pub(super) const SCOPE_MALFORMED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        code: "scope_malformed",
        detail: r#"The body must be one of {"lineage": "..."}, {"user": "..."}, {"all": true}."#,
    };
    pub(super) const ROLES_MALFORMED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        code: "scope_malformed",
        detail: r#"The body must be one of {"user": "..."}, {"role": "..."}."#,
    };
    pub(super) const NO_SUCH_ROLE: Self = Self {
        status: StatusCode::NOT_FOUND,
        code: "no_such_role",
        detail: "The policy has no role of this name.",
    };
    pub(super) const LINEAGE_MALFORMED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        code: "lineage_malformed",
        detail: "A lineage is 32 lower-case hexadecimal digits, as the audit tells it.",
    };
    pub(super) const USER_MALFORMED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        code: "user_malformed",
        detail: "A user is 1 to 128 bytes without control characters, as the app names him.",
    };
    pub(super) const QUERY_MALFORMED: Self = Self {
        status: StatusCode::BAD_REQUEST,
        code: "query_malformed",
        detail: "The query describes a request: path=/x, and with it method=POST and any header=Name: value.",
    };
    pub(super) const PATH_ELSEWHERE: Self = Self {
        status: StatusCode::BAD_REQUEST,
        code: "path_elsewhere",
        detail: "The session's app does not answer at this path.",
    };
    pub(super) const NO_SUCH_SESSION: Self = Self {
        status: StatusCode::NOT_FOUND,
        code: "no_such_session",
        detail: "No session with a login has this lineage, or what was kept of it is forgotten.",
    };
    pub(super) const STORE_SILENT: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: "store_silent",
        detail: "The store did not answer. Try again.",
    };
    pub(super) const STORE_UNAVAILABLE: Self = Self {
        status: StatusCode::SERVICE_UNAVAILABLE,
        code: "store_unavailable",
        detail: "The store did not confirm the revocation. It may have been made; repeat it.",
    };
}

impl Problem {
    /// A path that the gateway refuses whoever asks, with the reason.
    pub(super) const fn path_refused(detail: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code: "path_refused",
            detail,
        }
    }
}

#[derive(Serialize)]
struct Document {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: &'static str,
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let document = Json(Document {
            r#type: "about:blank",
            title: self.status.canonical_reason().unwrap_or("Error"),
            status: self.status.as_u16(),
            code: self.code,
            detail: self.detail,
        });
        let mut headers = HeaderMap::new();
        let problem_json = HeaderValue::from_static("application/problem+json");
        headers.insert(CONTENT_TYPE, problem_json);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        match self.status {
            StatusCode::UNAUTHORIZED => {
                let bearer = HeaderValue::from_static("Bearer realm=\"curfew\"");
                headers.insert(WWW_AUTHENTICATE, bearer);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, RETRY_AFTER_S);
            }
            _ => {}
        }
        (self.status, headers, document).into_response()
    }
}
