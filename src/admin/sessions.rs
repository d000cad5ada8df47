//! `GET /v1/sessions/{lineage}/explain`: a session as it stands, and why it has its limits.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, RawQuery, State};
use http::header::CACHE_CONTROL;
use http::{HeaderName, HeaderValue};

use crate::domain::identity::Lineage;
use crate::domain::session::{Record, State as Standing};
use crate::explain::request::{Described, Unanswerable};
use crate::explain::session::{Known, SessionExplained, explain_session};
use crate::store::{LookUp, StoreError};
use crate::telemetry::metrics::StoreOp;

use super::AdminState;
use super::problem::Problem;

/// A rotation may take an id away between the two reads: how often both are made.
const TRIES: usize = 3;

/// Ids of one lineage that are read at a time: the living one, and what logins left behind.
const IDS_MAX: usize = 64;

/// Headers that a described request may have.
const HEADERS_MAX: usize = 64;

/// An answer that no cache may keep.
pub(super) type Fresh<T> = ([(HeaderName, HeaderValue); 1], Json<T>);

/// Explains.
pub(super) async fn explain(
    State(state): State<Arc<AdminState>>,
    Path(lineage): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Fresh<SessionExplained>, Problem> {
    let lineage = lineage.parse().map_err(|_| Problem::LINEAGE_MALFORMED)?;
    let request = described(query.as_deref().unwrap_or_default())?;
    let (record, found) = find(&state, lineage).await?;
    let config = Arc::clone(&state.config.borrow());
    let known = Known {
        config: &config,
        record: &record,
        cuts: &found.cuts,
        now: state.clock.now(),
    };
    let explained = explain_session(known, request.as_ref()).map_err(problem)?;
    let no_store = (CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(([no_store], Json(explained)))
}

/// The record of a lineage that tells most of it, and what was read with it.
async fn find(state: &AdminState, lineage: Lineage) -> Result<(Record, LookUp), Problem> {
    let failed = |error: StoreError| {
        tracing::error!(%error, "a session could not be looked up for an operator");
        Problem::STORE_SILENT
    };
    for _ in 0..TRIES {
        let ids = state
            .metrics
            .store_call(StoreOp::LookUp, state.store.ids_of(lineage));
        let mut ids = ids.await.map_err(failed)?;
        ids.truncate(IDS_MAX);
        let found = state
            .metrics
            .store_call(StoreOp::LookUp, state.store.look_up(&ids));
        let found = found.await.map_err(failed)?;
        let records = found.records.iter().flatten();
        let of_lineage = records.filter(|record| record.session.lineage == lineage);
        match of_lineage.max_by_key(|record| rank(record.state)) {
            None => return Err(Problem::NO_SUCH_SESSION),
            Some(record) if rank(record.state) == 0 => {}
            Some(record) => return Ok((record.clone(), found)),
        }
    }
    Err(Problem::NO_SUCH_SESSION)
}

/// Of several ids of a lineage, how much each tells of it.
fn rank(state: Standing) -> u8 {
    match state {
        Standing::Superseded { .. } => 0,
        Standing::Pending => 1,
        Standing::Ended { .. } => 2,
        Standing::Alive => 3,
    }
}

/// The request that a query describes: `path`, `method`, `client` and any number of `header`; none
/// without a path. What is spelled otherwise is refused, so that no typing error changes the answer.
fn described(query: &str) -> Result<Option<Described>, Problem> {
    let (mut path, mut method, mut client) = (None, None, None);
    let mut headers = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "path" if path.is_none() => path = Some(value),
            "method" if method.is_none() => method = Some(value),
            "client" if client.is_none() => client = Some(value),
            "header" if headers.len() < HEADERS_MAX => headers.push(value),
            _ => return Err(Problem::QUERY_MALFORMED),
        }
    }
    let Some(path) = path else {
        let says_nothing = method.is_none() && client.is_none() && headers.is_empty();
        return says_nothing.then_some(None).ok_or(Problem::QUERY_MALFORMED);
    };
    let request = Described::new(&path, method.as_deref(), &headers);
    let request = request.and_then(|request| match client {
        Some(client) => request.of_client(&client),
        None => Ok(request),
    });
    request.map(Some).map_err(problem)
}

fn problem(unanswerable: Unanswerable) -> Problem {
    match unanswerable {
        Unanswerable::Target(_)
        | Unanswerable::Method(_)
        | Unanswerable::Header(_)
        | Unanswerable::Client(_) => Problem::QUERY_MALFORMED,
        Unanswerable::Path(sentence) => Problem::path_refused(sentence),
        Unanswerable::Elsewhere { .. } => Problem::PATH_ELSEWHERE,
    }
}
