//! Sessions that were decoded lately, so that a record that did not change is not parsed again.
//!
//! This is not a near-cache: every look-up reads the store, and an entry counts only while the
//! bytes that were read are, byte for byte, those it was decoded from.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::identity::Sid;
use crate::domain::session::Session;

use super::codec;

/// Sessions remembered at most; a power of two. A session has one place, and whoever comes later
/// takes it. Some 1.5 KiB each.
const PLACES: usize = 4096;

/// The last decoded session of each place.
pub(super) struct Memo(Box<[Mutex<Option<Decoded>>]>);

struct Decoded {
    sid: Sid,
    bytes: Vec<u8>,
    session: Arc<Session>,
}

impl Memo {
    pub(super) fn new() -> Self {
        Self((0..PLACES).map(|_| Mutex::default()).collect())
    }

    /// The session in these bytes; nothing where they hold none.
    pub(super) fn decode(&self, sid: Sid, bytes: Vec<u8>) -> Option<Arc<Session>> {
        // The first byte chose the bucket; these are as uniform.
        let place = usize::from(u16::from_le_bytes([sid.as_bytes()[1], sid.as_bytes()[2]]));
        let place = &self.0[place % PLACES];
        if let Some(decoded) = &*place.lock().unwrap_or_else(PoisonError::into_inner)
            && decoded.sid == sid
            && decoded.bytes == bytes
        {
            return Some(Arc::clone(&decoded.session));
        }
        let session = Arc::new(codec::decode(&bytes)?);
        let decoded = Decoded {
            sid,
            bytes,
            session: Arc::clone(&session),
        };
        *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(decoded);
        Some(session)
    }
}
