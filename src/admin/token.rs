//! The bearer token (RFC 6750) that opens `/v1`.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use super::AdminState;
use super::problem::Problem;

/// Lets a request pass that shows the token.
pub(super) async fn require(
    State(state): State<Arc<AdminState>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(token) = &state.token else {
        return Problem::NO_TOKEN_CONFIGURED.into_response();
    };
    let shown = bearer(request.headers());
    if shown.is_some_and(|shown| is_same(shown, token.reveal().as_bytes())) {
        next.run(request).await
    } else {
        Problem::TOKEN_REQUIRED.into_response()
    }
}

/// The one credential of the scheme `Bearer`; two are as good as none.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut all = headers.get_all(AUTHORIZATION).into_iter();
    let (Some(credentials), None) = (all.next(), all.next()) else {
        return None;
    };
    let (scheme, token) = credentials.as_bytes().split_at_checked("Bearer ".len())?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

/// Takes the same time wherever they differ; hashed, so that the length does not show either.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    let (shown, token) = (digest(&SHA256, shown), digest(&SHA256, token));
    verify_slices_are_equal(shown.as_ref(), token.as_ref()).is_ok()
}

#[cfg(test)]
mod tests {
    use http::header::AUTHORIZATION;
    use http::{HeaderMap, HeaderValue};

    use super::bearer;

    #[track_caller]
    fn check(headers: &[&'static str], token: Option<&str>) {
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(AUTHORIZATION, HeaderValue::from_static(value));
        }
        assert_eq!(bearer(&map), token.map(str::as_bytes));
    }

    #[test]
    fn a_token_comes_alone_under_its_scheme() {
        check(&["Bearer t0k3n"], Some("t0k3n"));
        check(&["bearer t0k3n"], Some("t0k3n"));
        check(&["Bearer "], Some(""));
        check(&["Bearer"], None);
        check(&["Basic t0k3n"], None);
        check(&["Bearer t0k3n", "Bearer t0k3n"], None);
        check(&[], None);
    }
}
