//! Checks of what a garbled store may hold, and a garbled server answer.

use std::sync::Arc;

use redis::Value;

use crate::domain::identity::Sid;
use crate::domain::session::{Session, State};
use crate::store::StoreError;

use super::keys::Bucket;
use super::{codec, due, outbox, read, seats, time};

/// The fields of a record: what decodes is stored as it decodes.
pub fn record(bytes: &[u8]) {
    if let Some(session) = codec::decode(bytes) {
        let stored = codec::encode(&session);
        assert_eq!(codec::decode(&stored).as_ref(), Some(&session));
        // Scripts read the header; it must say of the session what the rest says.
        assert_eq!(stored.get(..34), bytes.get(..34));
        is_bounded(&session);
    }
    if let Some(state) = codec::decode_state(bytes) {
        let stored = codec::encode_state(state);
        assert_eq!(codec::decode_state(stored.as_bytes()), Some(state));
        let is_exact = matches!(state, State::Alive | State::Pending);
        assert!(!is_exact || stored.as_bytes() == bytes);
    }
    if let Some(number) = codec::decode_number(bytes) {
        let text = String::from_utf8_lossy(bytes);
        assert_eq!(
            text.trim_start_matches('0'),
            number.to_string().trim_start_matches('0')
        );
    }
    if let Some(scope) = read::decode_scope(bytes) {
        assert_eq!(read::encode_scope(&scope).as_bytes(), bytes);
    }
}

fn is_bounded(session: &Session) {
    if let Some(user) = session.user() {
        assert!(!user.as_str().is_empty() && user.as_str().len() <= 128);
        assert!(!user.as_str().chars().any(char::is_control));
    }
}

/// An answer as it comes over the wire: it is understood, or it is a fault; never "no session".
pub fn store_answer(bytes: &[u8]) {
    let Ok(answer) = redis::parse_redis_value(bytes) else {
        return;
    };
    let is_absent = answer == Value::Array(vec![Value::Nil, Value::Nil, Value::Nil]);
    match read::record(answer.clone(), |bytes| codec::decode(&bytes).map(Arc::new)) {
        Ok(None) => assert!(is_absent),
        Ok(Some(_)) => assert!(!is_absent),
        Err(fault) => is_told(&fault),
    }
    let several = || match &answer {
        Value::Array(answers) => answers.clone(),
        other => vec![other.clone()],
    };
    let faults = [
        read::cuts(answer.clone()).err(),
        read::count(answer.clone()).err(),
        due::claimed(several()).err(),
        seats::taken(Sid::from_bytes([0; 16]), several()).err(),
        time::read(several()).and_then(is_a_time).err(),
    ];
    faults.iter().flatten().for_each(is_told);
    for entries in [
        outbox::of_reading(answer.clone()),
        outbox::of_claiming(answer.clone()),
    ] {
        for entry in entries.unwrap_or_default() {
            is_entry(entry);
        }
    }
    is_entry(answer);
}

/// A clock can be added to its correction.
fn is_a_time((_, told_ms, correction): (String, i64, Option<String>)) -> Result<(), StoreError> {
    let correction_ms = correction.as_deref().map(time::correction_ms).transpose()?;
    assert!(told_ms.checked_add(correction_ms.unwrap_or(0)).is_some());
    Ok(())
}

fn is_entry(entry: Value) {
    let bucket = Bucket::all().next().expect("there are buckets");
    if let Err(fault) = outbox::decode(bucket, entry) {
        is_told(&fault);
    }
}

fn is_told(fault: &StoreError) {
    assert!(!fault.to_string().is_empty());
}
