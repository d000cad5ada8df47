//! What anybody who reaches the admin listener may see.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::telemetry::build_info::BuildInfo;

use super::AdminState;

/// Prometheus' text format.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process runs. Never depends on anything else, or a store's outage would have it restarted.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Whether clients may be sent here; why, with `?verbose`.
pub(super) async fn readyz(
    State(state): State<Arc<AdminState>>,
    RawQuery(query): RawQuery,
) -> Response {
    let standing = state.readiness.standing();
    let (status, word) = if standing.ready {
        (StatusCode::OK, "ready\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    };
    let fresh = [(CACHE_CONTROL, "no-store")];
    if is_verbose(query.as_deref()) {
        (status, fresh, Json(standing)).into_response()
    } else {
        (status, fresh, word).into_response()
    }
}

fn is_verbose(query: Option<&str>) -> bool {
    let mut parameters = query.unwrap_or_default().split('&');
    parameters.any(|parameter| parameter.split('=').next() == Some("verbose"))
}

/// The numbers.
pub(super) async fn metrics(State(state): State<Arc<AdminState>>) -> Response {
    ([(CONTENT_TYPE, METRICS_TYPE)], state.metrics.render()).into_response()
}

/// Which build runs.
pub(super) async fn version() -> Json<BuildInfo> {
    Json(BuildInfo::CURRENT)
}
