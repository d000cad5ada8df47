//! A call of the admin listener, with its token and within a bound of time.

use std::error::Error;
use std::iter;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::{Args, ValueHint};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::uri::Authority;
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;

/// How long the gateway may take for its whole answer.
const WAIT: Duration = Duration::from_secs(10);

/// Bytes of its answer. An explanation has some hundred bytes for each rule of the policy.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Who is asked.
#[derive(Debug, Args)]
pub(super) struct Admin {
    /// The admin listener
    #[arg(long, env = "CURFEW_ADMIN", default_value = "http://127.0.0.1:9900", value_hint = ValueHint::Url)]
    admin: Uri,
    /// A file that holds the admin token; without it, CURFEW_ADMIN_TOKEN
    #[arg(long, value_hint = ValueHint::FilePath)]
    token_file: Option<PathBuf>,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum AdminError {
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
    #[error("what answers at {0} is no admin listener: {1}")]
    Stranger(String, &'static str),
    #[error("the gateway refused ({0}): {1}")]
    Refused(StatusCode, String),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Admin {
    /// The body of a good answer.
    pub(super) async fn call(
        &self,
        method: Method,
        target: &str,
        body: Option<String>,
    ) -> Result<String, AdminError> {
        let address = || AdminError::Address(self.admin.to_string());
        let authority = self.admin.authority().ok_or_else(address)?;
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{authority}{target}"))
            .header(AUTHORIZATION, format!("Bearer {}", self.token()?));
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::from(body.unwrap_or_default());
        let request = request.body(body).map_err(|_| address())?;
        let unreachable = |why| AdminError::Unreachable(authority.clone(), why);
        let (status, text) = tokio::time::timeout(WAIT, ask(request))
            .await
            .map_err(|_| unreachable(format!("waited {}", humantime::format_duration(WAIT))))?
            .map_err(|error| unreachable(causes(&*error)))?;
        match status.is_success() {
            true => Ok(text),
            false => Err(AdminError::Refused(status, text)),
        }
    }

    /// What answered is none of ours.
    pub(super) fn stranger(&self, why: &'static str) -> AdminError {
        let authority = self.admin.authority();
        AdminError::Stranger(authority.map_or(String::new(), ToString::to_string), why)
    }

    fn token(&self) -> Result<String, AdminError> {
        let text = match &self.token_file {
            Some(file) => {
                std::fs::read_to_string(file).map_err(|source| AdminError::TokenFile {
                    file: file.clone(),
                    source,
                })?
            }
            None => std::env::var("CURFEW_ADMIN_TOKEN").map_err(|_| AdminError::NoToken)?,
        };
        Ok(text.trim().to_owned())
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
