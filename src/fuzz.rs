//! What a fuzzer tries to break: for each place where Curfew reads what others wrote, a check that
//! fails where some bytes break what the place promises.
//!
//! It exists in test builds and under a fuzzer (`cfg(fuzzing)`) alone. Each check stands beside what it
//! checks, so that nothing is public for its sake. `tests/fuzz` has a target and a corpus for each; a test
//! replays the corpora (docs/testing.md).

pub use crate::config::fuzz::config;
pub use crate::proxy::fuzz::carriers::{authorization, cookies, target};
pub use crate::proxy::fuzz::frames::frames;
pub use crate::proxy::fuzz::head::{forwarded, head};
pub use crate::proxy::fuzz::login::{forms, json, login, query};
pub use crate::proxy::fuzz::path::path;
pub use crate::proxy::fuzz::set_cookie::set_cookie;
pub use crate::store::redis::fuzz::{record, store_answer};
pub use crate::telemetry::fuzz::{event, log_lines};

/// A check of any bytes. It panics where they break a promise.
pub type Check = fn(&[u8]);

/// Every check, under the name of its target and its corpus.
pub const CHECKS: [(&str, Check); 17] = [
    ("authorization", authorization),
    ("config", config),
    ("cookies", cookies),
    ("event", event),
    ("forms", forms),
    ("forwarded", forwarded),
    ("frames", frames),
    ("head", head),
    ("json", json),
    ("log_lines", log_lines),
    ("login", login),
    ("path", path),
    ("query", query),
    ("record", record),
    ("set_cookie", set_cookie),
    ("store_answer", store_answer),
    ("target", target),
];

#[cfg(test)]
mod tests;
