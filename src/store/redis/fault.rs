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

#[cfg(test)]
mod tests {
    use redis::{ServerError, Value, parse_redis_value};

    use super::{TOLD_MAX, is_outage, of_answer};

    fn complaint(text: &str) -> ServerError {
        match parse_redis_value(format!("-{text}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => error,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[track_caller]
    fn check(text: &str, kind: &str, outage: bool) {
        let error = complaint(text);
        assert_eq!(of_answer(&error).kind(), kind, "{text}");
        assert_eq!(is_outage(&error), outage, "{text}");
    }

    #[test]
    fn an_answer_is_refused_or_garbled_and_may_tell_of_an_outage() {
        check(
            "READONLY You can't write against a read only replica.",
            "refused",
            true,
        );
        check(
            "OOM command not allowed when used memory > 'maxmemory'.",
            "refused",
            true,
        );
        check(
            "MISCONF Redis is configured to save RDB snapshots",
            "refused",
            true,
        );
        check(
            "NOREPLICAS Not enough good replicas to write.",
            "refused",
            true,
        );
        check(
            "LOADING Redis is loading the dataset in memory",
            "refused",
            true,
        );
        check("MASTERDOWN Link with MASTER is down", "refused", true);
        check("NOAUTH Authentication required.", "refused", true);
        check("BUSY Redis is busy running a script.", "refused", true);
        check("CLUSTERDOWN The cluster is down", "refused", true);
        check(
            "NOPERM this user has no permissions to run the 'xadd' command",
            "refused",
            false,
        );
        check("MOVED 3999 127.0.0.1:6381", "refused", false);
        check("ERR unknown command 'HMGET'", "refused", false);
        check("WRONGTYPE Operation against a key", "garbled", false);
        check("GARBLED a record", "garbled", false);
        check(
            "ERR value is not an integer or out of range",
            "garbled",
            false,
        );
        check(
            "ERR Error running script (call to f_1): WRONGTYPE Operation",
            "garbled",
            false,
        );
    }

    #[test]
    fn a_complaint_is_told_without_what_it_quotes_and_not_at_length() {
        for (text, told) in [
            (
                "ERR unknown command 'X', with args beginning with: 'secret'",
                "ERR unknown command 'X'",
            ),
            (
                "WRONGTYPE Operation script: 1f, on @user_script:3.",
                "WRONGTYPE Operation",
            ),
            ("NOAUTH", "NOAUTH"),
        ] {
            let error = of_answer(&complaint(text)).to_string();
            assert!(error.ends_with(told), "{error}");
        }
        let long = complaint(&format!("ERR {}", "ü".repeat(TOLD_MAX)));
        assert!(of_answer(&long).to_string().len() < 2 * TOLD_MAX);
    }
}
