//! `curfew sessions`: looking after sessions through the admin listener.

use std::error::Error;
use std::iter;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::{ArgGroup, Args, Subcommand, ValueHint};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::uri::Authority;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

use super::failed;

/// How long the gateway may take for its whole answer.
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
    #[error("the admin listener at {0} does not answer: {1}")]
    Unreachable(Authority, String),
    #[error("what answers at {0} is no admin listener: it confirms no revocation")]
    Stranger(Authority),
    #[error("the gateway refused ({0}): {1}")]
    Refused(StatusCode, String),
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
    let scope = scope(args);
    let address = || RevokeError::Address(args.admin.to_string());
    let authority = args.admin.authority().ok_or_else(address)?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("http://{authority}/v1/revocations"))
        .header(AUTHORIZATION, format!("Bearer {}", token(args)?))
        .header(CONTENT_TYPE, "application/json")
        .body(Full::from(scope.to_string()))
        .map_err(|_| address())?;
    let unreachable = |why| RevokeError::Unreachable(authority.clone(), why);
    let (status, text) = tokio::time::timeout(WAIT, ask(request))
        .await
        .map_err(|_| unreachable(format!("waited {}", humantime::format_duration(WAIT))))?
        .map_err(|error| unreachable(causes(&*error)))?;
    if !status.is_success() {
        return Err(RevokeError::Refused(status, text));
    }
    // Whatever server it may be would say 200 to something.
    let confirms = |answer: Value| answer["cut"] == scope;
    if serde_json::from_str(&text).is_ok_and(confirms) {
        Ok(text)
    } else {
        Err(RevokeError::Stranger(authority.clone()))
    }
}

/// Whom to revoke, as the admin API spells it.
fn scope(args: &RevokeArgs) -> Value {
    match (&args.lineage, &args.user) {
        (Some(lineage), _) => json!({ "lineage": lineage }),
        (None, Some(user)) => json!({ "user": user }),
        (None, None) => json!({ "all": true }),
    }
}

type Failure = Box<dyn Error + Send + Sync>;

/// The answer: its status and its body.
async fn ask(request: Request<Full<Bytes>>) -> Result<(StatusCode, String), Failure> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let answer = client.request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX);
    let body = body.collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// An error with what caused it, in one line.
fn causes(error: &(dyn Error + 'static)) -> String {
    let chain = iter::successors(Some(error), |error| (*error).source());
    let said: Vec<String> = chain.map(ToString::to_string).collect();
    said.join(": ")
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
