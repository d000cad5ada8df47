//! `curfew sessions`: looking after sessions through the admin listener.

mod admin;

use std::process::ExitCode;
use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use crate::explain::session::SessionExplained;

use super::explain::{self, Format};
use super::failed;
use admin::{Admin, AdminError};

/// What can be done.
#[derive(Debug, Subcommand)]
pub(super) enum SessionsCommand {
    /// End sessions, at once and on every gateway of the deployment
    Revoke(RevokeArgs),
    /// Show what is left of a session's limits, and why it has these
    Explain(SessionArgs),
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
    #[command(flatten)]
    at: Admin,
}

/// Which session is explained, and at which request.
#[derive(Debug, Args)]
pub(super) struct SessionArgs {
    /// The session, by the lineage that records name
    lineage: String,
    /// The path of a request; a query may follow
    #[arg(long)]
    path: Option<String>,
    /// Its method
    #[arg(long, requires = "path")]
    method: Option<String>,
    /// A header of it, `Name: value`; may be repeated
    #[arg(long = "header", value_name = "HEADER", requires = "path")]
    headers: Vec<String>,
    /// The address of its client, by which some classes of devices are known
    #[arg(long, value_name = "ADDRESS", requires = "path")]
    client: Option<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    at: Admin,
}

pub(super) fn run(command: SessionsCommand) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let answered = runtime.map_err(AdminError::Io).and_then(|runtime| {
        runtime.block_on(async {
            match command {
                SessionsCommand::Revoke(args) => revoke(&args).await,
                SessionsCommand::Explain(args) => explain(&args).await,
            }
        })
    });
    match answered {
        Ok(answer) => {
            anstream::println!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => failed(&error),
    }
}

async fn revoke(args: &RevokeArgs) -> Result<String, AdminError> {
    let scope = scope(args);
    let body = Some(scope.to_string());
    let text = args.at.call(Method::POST, "/v1/revocations", body).await?;
    // Whatever server it may be would say 200 to something.
    let confirms = |answer: Value| answer["cut"] == scope;
    if serde_json::from_str(&text).is_ok_and(confirms) {
        Ok(text)
    } else {
        Err(args.at.stranger("it confirms no revocation"))
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

async fn explain(args: &SessionArgs) -> Result<String, AdminError> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let path = args.path.iter().map(|path| ("path", path));
    let method = args.method.iter().map(|method| ("method", method));
    let headers = args.headers.iter().map(|header| ("header", header));
    let client = args.client.iter().map(|client| ("client", client));
    query.extend_pairs(path.chain(method).chain(headers).chain(client));
    let lineage: String = form_urlencoded::byte_serialize(args.lineage.as_bytes()).collect();
    let target = format!("/v1/sessions/{lineage}/explain?{}", query.finish());
    let text = args.at.call(Method::GET, &target, None).await?;
    match (serde_json::from_str(&text), args.format) {
        (Ok(_), Format::Json) => Ok(text),
        (Ok(explained), Format::Text) => Ok(for_people(&explained)),
        (Err(_), _) => Err(args.at.stranger("it explains no session")),
    }
}

/// A session in a few lines, and then its rules.
fn for_people(explained: &SessionExplained) -> String {
    let SessionExplained {
        session,
        explanation,
        ..
    } = explained;
    let span = |ms| humantime::format_duration(Duration::from_millis(ms));
    let user = session.user.as_deref();
    let user = user.unwrap_or("a user that the login did not tell");
    let (lineage, app, state) = (&session.lineage, &session.app, &session.state);
    let mut text = format!("{lineage} of {user} in {app}: {state}");
    if let Some(reason) = &session.reason {
        text.push_str(&format!(", {reason}"));
    }
    let (age, idle) = (span(session.age_ms), span(session.idle_ms));
    text.push_str(&format!("\nstarted {age} ago, last active {idle} ago\n"));
    if let Some(left) = &session.left {
        let (idle, absolute) = (span(left.idle_ms), span(left.absolute_ms));
        text.push_str(&format!("left: idle {idle}, absolute {absolute}\n"));
    }
    match explanation {
        Some(explanation) => text.push_str(&explain::text(explanation, None)),
        None => text.push_str("its app has left the configuration"),
    }
    text.trim_end().to_owned()
}
