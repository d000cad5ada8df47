//! `curfew sessions`: looking after sessions through the admin listener.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand, ValueHint};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{Method, Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use super::failed;

/// How long the gateway may take.
const WAIT: Duration = Duration::from_secs(10);

/// Bytes of its answer.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What can be done.
#[derive(Debug, Subcommand)]
pub(super) enum SessionsCommand {
    /// End sessions, at once and on every gateway of the deployment
    Revoke(RevokeArgs),
}

/// Whose sessions end, and who is told.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("scope").required(true).args(["lineage", "user", "all"])))]
pub(super) struct RevokeArgs {
    /// One session, by the lineage that records name
    #[arg(long)]
    lineage: Option<String>,
    /// All sessions of a user, as the app names him
    #[arg(long)]
    user: Option<String>,
    /// Every session
    #[arg(long)]
    all: bool,
    /// The admin listener
    #[arg(long, env = "CURFEW_ADMIN", default_value = "http://127.0.0.1:9900", value_hint = ValueHint::Url)]
    admin: Uri,
    /// A file that holds the admin token; without it, CURFEW_ADMIN_TOKEN
    #[arg(long, value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
enum RevokeError {
    #[error("no token: name its file with --token-file, or set CURFEW_ADMIN_TOKEN")]
    NoToken,
    #[error("cannot read the token from {}: {source}", .file.display())]
    TokenFile {
        file: PathBuf,
        source: std::io::Error,
    },
    #[error("{0} is no address of an admin listener; write one like http://127.0.0.1:9900")]
    Address(String),
    #[error("the admin listener does not answer: {0}")]
    Unreachable(String),
    #[error("the gateway refused ({0}): {1}")]
    Refused(http::StatusCode, String),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

pub(super) fn run(command: SessionsCommand) -> ExitCode {
    let SessionsCommand::Revoke(args) = command;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let revoked = runtime
        .map_err(RevokeError::Io)
        .and_then(|runtime| runtime.block_on(revoke(&args)));
    match revoked {
        Ok(answer) => {
            anstream::println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

async fn revoke(args: &RevokeArgs) -> Result<String, RevokeError> {
    let scope = match (&args.lineage, &args.user) {
        (Some(lineage), _) => json!({ "lineage": lineage }),
        (None, Some(user)) => json!({ "user": user }),
        (None, None) => json!({ "all": true }),
    };
    let address = || RevokeError::Address(args.admin.to_string());
    let authority = args.admin.authority().ok_or_else(address)?;
    let uri: Uri = format!("http://{authority}/v1/revocations")
        .parse()
        .map_err(|_| address())?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(AUTHORIZATION, format!("Bearer {}", token(args)?))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(scope.to_string()))
        .map_err(|_| address())?;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<bytes::Bytes>>();
    let unreachable = |error: &dyn std::fmt::Display| RevokeError::Unreachable(error.to_string());
    let answered = tokio::time::timeout(WAIT, client.request(request)).await;
    let answer = answered
        .map_err(|late| unreachable(&late))?
        .map_err(|error| unreachable(&error))?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX)
        .collect()
        .await;
    let body = body.map_err(|error| unreachable(&error))?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    if status.is_success() {
        Ok(text)
    } else {
        Err(RevokeError::Refused(status, text))
    }
}

fn token(args: &RevokeArgs) -> Result<String, RevokeError> {
    let text = match &args.token_file {
        Some(file) => std::fs::read_to_string(file).map_err(|source| RevokeError::TokenFile {
            file: file.clone(),
            source,
        })?,
        None => std::env::var("CURFEW_ADMIN_TOKEN").map_err(|_| RevokeError::NoToken)?,
    };
    Ok(text.trim().to_owned())
}
