//! `POST /v1/revocations`: one cut, in one write. The next request of whom it covers is refused;
//! a login after it works at once.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::domain::cuts::Scope;
use crate::domain::session::UserName;
use crate::domain::time::Timestamp;
use crate::telemetry::metrics::StoreOp;

use super::AdminState;
use super::problem::Problem;

/// A revocation's body, at most.
const BODY_MAX: usize = 16 * 1024;
/// How long the body may take.
const BODY_WAIT: Duration = Duration::from_secs(5);

/// Whom a revocation covers, as the API spells it: an object with exactly one of these keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Whom {
    /// One session, whatever its id is by now.
    Lineage(String),
    /// All sessions of a user, as the app names him.
    User(String),
    /// Every session; the value must be true.
    All(bool),
}

/// A cut that was made.
#[derive(Debug, Serialize)]
pub(super) struct Revoked {
    cut: Whom,
    at_ms: u64,
}

/// Revokes.
pub(super) async fn revoke(
    State(state): State<Arc<AdminState>>,
    body: Body,
) -> Result<Json<Revoked>, Problem> {
    let whom: Whom = read(body, Problem::SCOPE_MALFORMED).await?;
    let scope = scope(&whom)?;
    let now = state.clock.now();
    cut(&state, scope, now).await?;
    tracing::info!(
        scope = whom.word(),
        at_ms = now.as_millis(),
        "sessions were revoked"
    );
    Ok(Json(Revoked {
        cut: whom,
        at_ms: now.as_millis(),
    }))
}

/// A body that is one JSON value.
pub(super) async fn read<T: DeserializeOwned>(
    body: Body,
    malformed: Problem,
) -> Result<T, Problem> {
    let bytes = timeout(BODY_WAIT, to_bytes(body, BODY_MAX))
        .await
        .map_err(|_| Problem::BODY_LATE)?
        .map_err(|_| Problem::BODY_TOO_LARGE)?;
    serde_json::from_slice(&bytes).map_err(|_| malformed)
}

fn scope(whom: &Whom) -> Result<Scope, Problem> {
    match whom {
        Whom::Lineage(lineage) => match lineage.parse() {
            Ok(lineage) => Ok(Scope::Lineage(lineage)),
            Err(_) => Err(Problem::LINEAGE_MALFORMED),
        },
        Whom::User(user) => match UserName::new(user) {
            Some(user) => Ok(Scope::User(user.as_str().to_owned())),
            None => Err(Problem::USER_MALFORMED),
        },
        Whom::All(true) => Ok(Scope::All),
        Whom::All(false) => Err(Problem::SCOPE_MALFORMED),
    }
}

pub(super) async fn cut(state: &AdminState, scope: Scope, now: Timestamp) -> Result<(), Problem> {
    // The largest absolute timeout and the tombstones' life: no older session can be covered.
    let retention = state.config.borrow().retention(true);
    let horizon = before(now, retention);
    let cut = state.store.cut(scope, now, horizon);
    let made = state.metrics.store_call(StoreOp::Cut, cut).await;
    if let Err(error) = made {
        tracing::error!(%error, "a revocation failed");
        return Err(Problem::STORE_UNAVAILABLE);
    }
    // The cut is in force by now. This only has the ends recorded sooner than they fall due.
    let rearm = state.store.rearm_all(now);
    if let Err(error) = state.metrics.store_call(StoreOp::Rearm, rearm).await {
        tracing::warn!(%error, "the ends of a revocation will be recorded late");
    }
    // Whoever waits is woken; the permit is for one that is busy at this moment.
    state.revoked.notify_waiters();
    state.revoked.notify_one();
    Ok(())
}

fn before(now: Timestamp, span: Duration) -> Timestamp {
    let span = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_millis(now.as_millis().saturating_sub(span))
}

impl Whom {
    fn word(&self) -> &'static str {
        match self {
            Self::Lineage(_) => "lineage",
            Self::User(_) => "user",
            Self::All(_) => "all",
        }
    }
}
