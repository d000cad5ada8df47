//! What Redis or its client complains of, as the contract's errors.
//!
//! The texts are the server's first words, without what a command carried; a URL is in none.

use redis::{ErrorKind, RedisError, ServerError};

use crate::store::StoreError;

/// Codes that tell that the server as a whole does not serve: read-only, full, loading, without
/// its replicas, or closed to us. A new connection may reach one that does.
const OUTAGES: [&str; 9] = [
    "READONLY",
    "OOM",
    "MISCONF",
    "NOREPLICAS",
    "LOADING",
    "MASTERDOWN",
    "NOAUTH",
    "CLUSTERDOWN",
    "BUSY",
];

/// Bytes of a server's complaint that are told.
const TOLD_MAX: usize = 120;

/// Where a complaint begins to quote the command or the script.
const QUOTES: [&str; 3] = [", with args", " script: ", ", on @user_script"];

/// A command was answered with an error.
pub(super) fn of_answer(error: &ServerError) -> StoreError {
    let told = told(error.code(), error.details());
    let garbled = match error.code() {
        "WRONGTYPE" | "GARBLED" => true,
        // Servers before 7 wrap a script's error; others count a number that is none as "ERR".
        "ERR" => [
            "WRONGTYPE",
            "GARBLED",
            "not an integer",
            "not a valid float",
        ]
        .iter()
        .any(|sign| {
            error
                .details()
                .is_some_and(|details| details.contains(sign))
        }),
        _ => false,
    };
    if garbled {
        StoreError::Garbled(told)
    } else {
        StoreError::Refused(told)
    }
}

/// Whether an answer tells of an outage.
pub(super) fn is_outage(error: &ServerError) -> bool {
    OUTAGES.contains(&error.code())
}

/// A connection failed, or could not be made.
pub(super) fn of_connection(error: &RedisError) -> StoreError {
    match error.kind() {
        ErrorKind::Parse => StoreError::Garbled("the answer is not in Redis' protocol".to_owned()),
        ErrorKind::AuthenticationFailed => {
            StoreError::Refused("the user or the password".to_owned())
        }
        ErrorKind::Server(_) | ErrorKind::Extension => {
            StoreError::Refused(told(error.code().unwrap_or("ERR"), error.detail()))
        }
        ErrorKind::Io => StoreError::Unreachable(shortened(&error.to_string())),
        _ => StoreError::Unreachable(error.category().to_owned()),
    }
}

/// Whether the connection is of no more use.
pub(super) fn is_broken(error: &RedisError) -> bool {
    error.is_io_error() || error.is_unrecoverable_error()
}

fn told(code: &str, details: Option<&str>) -> String {
    match details {
        Some(details) => shortened(&format!("{code} {details}")),
        None => code.to_owned(),
    }
}

fn shortened(text: &str) -> String {
    let unquoted = QUOTES
        .iter()
        .filter_map(|quote| text.find(quote))
        .min()
        .unwrap_or(text.len());
    text[..text.floor_char_boundary(unquoted.min(TOLD_MAX))].to_owned()
}
