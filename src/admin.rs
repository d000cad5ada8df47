//! The listener for operators: health, metrics, and with a bearer token the revocations
//! and what a session may do.
//!
//! It shares nothing with the listener for clients but the store, so that a flood there does not
//! hide what is going on.

mod connection;
mod observe;
mod problem;
pub mod readiness;
mod revocations;
mod role_changes;
mod sessions;
mod token;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::config::{Config, Secret};
use crate::store::Store;
use crate::telemetry::metrics::Metrics;

use problem::Problem;
use readiness::Readiness;

/// What the admin listener works with.
pub struct AdminState {
    /// The sessions.
    pub store: Arc<Store>,
    /// The deployment clock.
    pub clock: Clock,
    /// The numbers that it shows.
    pub metrics: Arc<Metrics>,
    /// The bearer token of `/v1`; without one, `/v1` is closed.
    pub token: Option<Secret>,
    /// Whether clients may be sent here.
    pub readiness: Arc<Readiness>,
    /// The configuration in force.
    pub config: watch::Receiver<Arc<Config>>,
    /// Told after a cut, so that those who end sessions and streams look at once.
    pub revoked: Arc<Notify>,
}

/// Serves operators until `shutdown`; connections under way get a moment to finish.
pub async fn serve(listener: TcpListener, state: AdminState, shutdown: CancellationToken) {
    connection::accept(
        listener,
        router(Arc::new(state)),
        shutdown,
        connection::Waits::DEFAULT,
    )
    .await;
}

fn router(state: Arc<AdminState>) -> Router {
    let with_token = Router::new()
        .route("/v1/revocations", post(revocations::revoke))
        .route("/v1/role-changes", post(role_changes::tell))
        .route("/v1/sessions/{lineage}/explain", get(sessions::explain))
        .route_layer(from_fn_with_state(Arc::clone(&state), token::require));
    Router::new()
        .route("/healthz", get(observe::healthz))
        .route("/readyz", get(observe::readyz))
        .route("/metrics", get(observe::metrics))
        .route("/version", get(observe::version))
        .merge(with_token)
        .fallback(async || Problem::NO_SUCH_PATH)
        .method_not_allowed_fallback(async || Problem::METHOD_NOT_ALLOWED)
        .with_state(state)
}
