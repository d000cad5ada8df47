//! From the name of a session to its ids: what an operator asks who has it from a record.

use redis::Pipeline;

use crate::domain::identity::{Lineage, Sid};
use crate::store::StoreError;

use super::RedisStore;
use super::keys::{self, Bucket};
use super::link::Attempt;
use super::read::{bulk, list};

impl RedisStore {
    /// Asks every bucket, in one round trip: a lineage does not tell in which its ids are.
    pub(in crate::store) async fn ids_of(&self, lineage: Lineage) -> Result<Vec<Sid>, StoreError> {
        let commands = |_: Attempt| {
            let mut commands = Pipeline::with_capacity(usize::from(keys::BUCKETS));
            for bucket in Bucket::all() {
                commands.cmd("HGETALL").arg(bucket.ids(lineage));
            }
            commands
        };
        let mut sids = Vec::new();
        for answer in self.link.call(commands).await? {
            for field in list(answer)?.into_iter().step_by(2) {
                let field = bulk(field)?.unwrap_or_default();
                let sid = str::from_utf8(&field).ok().and_then(|hex| hex.parse().ok());
                let garbled = || StoreError::Garbled("an id of a lineage".to_owned());
                sids.push(sid.ok_or_else(garbled)?);
            }
        }
        Ok(sids)
    }
}
