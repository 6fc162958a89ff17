//! [`EndedSessions`]: the ended sessions in memory.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use crate::claims::SessionId;

/// Number of independent maps, so that readers of different sessions rarely share a lock.
const SHARDS: usize = 16;

/// Expiry of the last token of a session, in seconds since the Unix epoch, by session.
type Shard = RwLock<HashMap<SessionId, i64>>;

/// Ended sessions whose tokens may not have expired yet.
#[derive(Debug, Default)]
pub(super) struct EndedSessions([Shard; SHARDS]);

impl EndedSessions {
    pub(super) fn contains(&self, sid: SessionId) -> bool {
        self.shard(sid).read().unwrap_or_else(PoisonError::into_inner).contains_key(&sid)
    }

    /// Records that a session has ended. `until` is the expiry of its last token.
    pub(super) fn record(&self, sid: SessionId, until: i64) {
        self.shard(sid).write().unwrap_or_else(PoisonError::into_inner).insert(sid, until);
    }

    /// Removes the sessions whose tokens have all expired at `now`.
    pub(super) fn remove_expired(&self, now: i64) {
        for shard in &self.0 {
            shard.write().unwrap_or_else(PoisonError::into_inner).retain(|_, until| *until > now);
        }
    }

    pub(super) fn len(&self) -> usize {
        let len = |shard: &Shard| shard.read().unwrap_or_else(PoisonError::into_inner).len();
        self.0.iter().map(len).sum()
    }

    fn shard(&self, sid: SessionId) -> &Shard {
        // The last byte of an id is random.
        &self.0[usize::from(sid.0.as_bytes()[15]) % SHARDS]
    }
}
