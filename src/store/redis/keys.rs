//! The names of all keys. Those of one session share a bucket, and the bucket is their hash tag,
//! so that one script may touch them on a cluster too.

use crate::domain::identity::{Lineage, Sid, UserKey};

/// Buckets of a deployment; a power of two. All gateways must agree on it.
pub(super) const BUCKETS: u8 = 64;

/// The table of cuts: a hash of a version and an instant for each scope.
pub(super) const CUTS: &str = "curfew:cuts";

/// The field of `CUTS` that holds its version.
pub(super) const CUTS_VERSION: &str = "v";

/// The corrections of servers' clocks: a hash of milliseconds by run id.
pub(super) const CLOCK: &str = "curfew:clock";

/// Since when apps' ids are adopted: a hash of an instant by app.
pub(super) const ADOPTION: &str = "curfew:adoption";

/// What the heartbeat writes.
pub(super) const BEAT: &str = "curfew:beat";

/// The bytes of a record's key.
const RECORD_BYTES: usize = 47;

/// Where the bucket's two digits stand in a record's key, and where its sid does.
const TEMPLATE: &[u8; RECORD_BYTES] = b"curfew:{b00}:s:00000000000000000000000000000000";
const BUCKET_AT: usize = 9;
const SID_AT: usize = 15;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// What one Lua script may touch at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Bucket(u8);

impl Bucket {
    pub(super) fn of(sid: Sid) -> Self {
        Self(sid.as_bytes()[0] % BUCKETS)
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..BUCKETS).map(Self)
    }

    /// A sorted set of the living authenticated sids, by when to look at them.
    pub(super) fn due(self) -> String {
        self.key("due")
    }

    /// A stream of the events that were not acknowledged.
    pub(super) fn outbox(self) -> String {
        self.key("out")
    }

    /// A number that every end of the bucket raises.
    pub(super) fn version(self) -> String {
        self.key("v")
    }

    /// A hash of the sids under which a lineage is known, those superseded left out.
    pub(super) fn ids(self, lineage: Lineage) -> String {
        self.key(&format!("l:{lineage}"))
    }

    fn key(self, name: &str) -> String {
        format!("curfew:{{b{:02}}}:{name}", self.0)
    }
}

/// The key of a record, without an allocation.
pub(super) fn record(sid: Sid) -> [u8; RECORD_BYTES] {
    let mut key = *TEMPLATE;
    let bucket = Bucket::of(sid).0;
    key[BUCKET_AT] = b'0' + bucket / 10;
    key[BUCKET_AT + 1] = b'0' + bucket % 10;
    key[SID_AT..].copy_from_slice(&hex(sid));
    key
}

/// A sorted set of the sids of a user, by when they took their seats. In a slot of its own: his
/// sessions are anywhere.
pub(super) fn seats(user: UserKey) -> String {
    format!("curfew:u:{{{user}}}")
}

/// A sid as scripts and sets hold it.
pub(super) fn hex(sid: Sid) -> [u8; 32] {
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_exact_mut(2).zip(sid.as_bytes()) {
        pair[0] = HEX[usize::from(byte >> 4)];
        pair[1] = HEX[usize::from(byte & 0xf)];
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::{Bucket, hex, record};
    use crate::domain::identity::{Lineage, Sid};

    #[test]
    fn the_keys_of_a_sid_share_the_bucket_of_its_first_byte() {
        let mut bytes = [0xab; 16];
        bytes[0] = 0x47;
        let sid = Sid::from_bytes(bytes);
        let expected = format!("curfew:{{b07}}:s:{sid}");
        assert_eq!(record(sid), expected.as_bytes());
        assert_eq!(hex(sid), sid.to_string().as_bytes());
        assert_eq!(Bucket::of(sid).due(), "curfew:{b07}:due");
        assert_eq!(Bucket::of(sid).outbox(), "curfew:{b07}:out");
        assert_eq!(Bucket::of(sid).version(), "curfew:{b07}:v");
        let lineage = Lineage::from_bytes([0xcd; 16]);
        let expected = format!("curfew:{{b07}}:l:{lineage}");
        assert_eq!(Bucket::of(sid).ids(lineage), expected);
    }
}
