//! `POST /v1/role-changes`: somebody's roles, or a role's holders, are others than logins told. The
//! sessions that it covers end `role_changed`, in one write; a login after it works at once.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use serde::{Deserialize, Serialize};

use crate::domain::cuts::Scope;
use crate::domain::policy::RoleName;
use crate::domain::session::UserName;

use super::AdminState;
use super::problem::Problem;
use super::revocations::{cut, read};

/// Whose roles changed, as the API spells it: an object with exactly one of these keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Whose {
    /// Those of a user, as the app names him.
    User(String),
    /// Of everybody who holds this role of the policy.
    Role(String),
}

/// A change that was told.
#[derive(Debug, Serialize)]
pub(super) struct Told {
    changed: Whose,
    at_ms: u64,
}

/// Tells that roles changed.
pub(super) async fn tell(
    State(state): State<Arc<AdminState>>,
    body: Body,
) -> Result<Json<Told>, Problem> {
    let whose: Whose = read(body, Problem::ROLES_MALFORMED).await?;
    let scope = scope(&state, &whose)?;
    let now = state.clock.now();
    cut(&state, scope, now).await?;
    let word = match whose {
        Whose::User(_) => "user",
        Whose::Role(_) => "role",
    };
    tracing::info!(scope = word, at_ms = now.as_millis(), "roles changed");
    Ok(Json(Told {
        changed: whose,
        at_ms: now.as_millis(),
    }))
}

fn scope(state: &AdminState, whose: &Whose) -> Result<Scope, Problem> {
    match whose {
        Whose::User(user) => match UserName::new(user) {
            Some(user) => Ok(Scope::RolesOf(user.as_str().to_owned())),
            None => Err(Problem::USER_MALFORMED),
        },
        Whose::Role(role) => {
            let name = RoleName::new(role);
            let config = state.config.borrow();
            match config.policy.roles.iter().any(|role| role.name == name) {
                true => Ok(Scope::Role(name)),
                false => Err(Problem::NO_SUCH_ROLE),
            }
        }
    }
}
