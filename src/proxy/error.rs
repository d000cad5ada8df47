//! Everything that can keep a request from its answer, and the one table that turns it into HTTP.

use std::error::Error;
use std::iter;
use std::time::Duration;

use http::StatusCode;

use crate::routing::path::PathProblem;
use crate::store::StoreError;
use crate::telemetry::metrics::UpstreamFault;

use super::carriers::CarrierProblem;
use super::head::HeadProblem;
use super::stream::body::BodyError;

/// Why a request is answered with an error. Refusals are none: of a session's state, nothing is
/// told here but that it ended when the app was at work already.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("{}", .0.code())]
    Head(HeadProblem),
    #[error("{}", .0.code())]
    Path(PathProblem),
    #[error("{}", .0.code())]
    Carrier(CarrierProblem),
    #[error("no app answers to this host and path")]
    NoApp,
    #[error("a login's body is longer than {limit} bytes")]
    LoginTooLarge { limit: usize },
    #[error("a login's body is encoded, so it cannot be read")]
    LoginEncoded,
    #[error("the client's body broke off")]
    BodyBroken,
    #[error("the client's body was not over within {}", humantime::format_duration(*.0))]
    BodyLate(Duration),
    #[error("a login's answer was not over within {}", humantime::format_duration(*.0))]
    AnswerLate(Duration),
    #[error("the app broke off within a login's answer")]
    AnswerBroken,
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("a login cannot be learned while the store does not answer")]
    LoginWithoutStore,
    #[error("the store is full")]
    StoreFull,
    #[error("{0}")]
    Upstream(#[from] UpstreamFailure),
    #[error("the app switched protocols without being asked to")]
    UpgradeUnasked,
    #[error("the session ended while the app was at work on the request")]
    EndedAtWork,
    #[error("no more streams can be watched")]
    StreamsFull,
    #[error("a task of the gateway ended before its answer")]
    Internal,
}

/// How an upstream failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamFailure {
    #[error("the app refuses connections: {0}")]
    Refused(Box<dyn Error + Send + Sync>),
    #[error("the app broke off before its answer: {0}")]
    Broken(hyper::Error),
    #[error("the app did not answer within {}", humantime::format_duration(*.0))]
    Late(Duration),
    #[error("the app's address cannot be written as a URI")]
    Address,
}

impl UpstreamFailure {
    /// Which fault is counted.
    pub(crate) fn fault(&self) -> UpstreamFault {
        match self {
            Self::Refused(_) => UpstreamFault::Refused,
            Self::Broken(_) => UpstreamFault::Broken,
            Self::Late(_) => UpstreamFault::Late,
            Self::Address => UpstreamFault::Address,
        }
    }
}

/// What a client is told of an error: nothing of the inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) sentence: &'static str,
    pub(crate) retry_after: Option<Duration>,
}

/// An exchange with an app that failed: by its connection, or by the client's own body.
impl From<hyper::Error> for ProxyError {
    fn from(error: hyper::Error) -> Self {
        let mut causes = iter::successors(error.source(), |error| (*error).source());
        let of_body = |error: &(dyn Error + 'static)| match error.downcast_ref() {
            Some(BodyError::<hyper::Error>::Late(limit)) => Some(*limit),
            _ => None,
        };
        match causes.find_map(of_body) {
            Some(limit) => Self::BodyLate(limit),
            None => Self::Upstream(UpstreamFailure::Broken(error)),
        }
    }
}

impl From<HeadProblem> for ProxyError {
    fn from(problem: HeadProblem) -> Self {
        Self::Head(problem)
    }
}

impl From<PathProblem> for ProxyError {
    fn from(problem: PathProblem) -> Self {
        Self::Path(problem)
    }
}

impl From<CarrierProblem> for ProxyError {
    fn from(problem: CarrierProblem) -> Self {
        Self::Carrier(problem)
    }
}

impl ProxyError {
    /// The table: status, machine-readable code, sentence.
    pub(crate) fn told(&self) -> Told {
        let (status, code, sentence) = match self {
            Self::Head(problem) => (problem.status(), problem.code(), problem.sentence()),
            Self::Path(problem) => (StatusCode::BAD_REQUEST, problem.code(), problem.sentence()),
            Self::Carrier(problem) => (StatusCode::BAD_REQUEST, problem.code(), problem.sentence()),
            Self::NoApp => (
                StatusCode::NOT_FOUND,
                "no_app",
                "No application answers to this host and path.",
            ),
            Self::LoginTooLarge { .. } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "login_too_large",
                "The sign-in request is larger than any sign-in form.",
            ),
            Self::LoginEncoded => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "login_encoded",
                "The sign-in request must be sent without a content encoding.",
            ),
            Self::BodyBroken => (
                StatusCode::BAD_REQUEST,
                "body_broken",
                "The body of the request broke off.",
            ),
            Self::BodyLate(_) => (
                StatusCode::REQUEST_TIMEOUT,
                "body_late",
                "The body of the request did not arrive in time.",
            ),
            Self::AnswerBroken => (
                StatusCode::BAD_GATEWAY,
                "login_answer_unreadable",
                "The application's answer to the sign-in could not be read.",
            ),
            Self::Store(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "Sessions cannot be checked right now. You are still signed in; try again shortly.",
            ),
            Self::LoginWithoutStore => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store_unavailable",
                "Signing in is not possible right now; try again shortly.",
            ),
            Self::StoreFull => (
                StatusCode::SERVICE_UNAVAILABLE,
                "store_full",
                "No more sessions can be started right now; try again later.",
            ),
            Self::Upstream(UpstreamFailure::Late(_)) | Self::AnswerLate(_) => (
                StatusCode::GATEWAY_TIMEOUT,
                "app_late",
                "The application did not answer in time.",
            ),
            Self::Upstream(_) => (
                StatusCode::BAD_GATEWAY,
                "app_unreachable",
                "The application cannot be reached right now.",
            ),
            Self::UpgradeUnasked => (
                StatusCode::BAD_GATEWAY,
                "upgrade_unasked",
                "The application switched protocols without being asked to.",
            ),
            Self::EndedAtWork => (
                StatusCode::GATEWAY_TIMEOUT,
                "session_ended_at_work",
                "Your session ended while the application was at work on what you sent, and nobody \
                 knows whether it was done. Sign in and look before you send it again.",
            ),
            Self::StreamsFull => (
                StatusCode::SERVICE_UNAVAILABLE,
                "streams_full",
                "No more streams can be opened right now; try again later.",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "The gateway failed; the failure was counted.",
            ),
        };
        Told {
            status,
            code,
            sentence,
            retry_after: self.retry_after(),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Store(_) | Self::LoginWithoutStore => Some(Duration::from_secs(2)),
            Self::StoreFull | Self::StreamsFull => Some(Duration::from_secs(30)),
            _ => None,
        }
    }
}
