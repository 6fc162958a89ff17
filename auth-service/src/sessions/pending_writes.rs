//! Writes to the database that wait for the next batch.

use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use shared::claims::SessionId;

use crate::domain::{audit::AuditRecord, refresh_decision::TokenGeneration};

/// Maximum number of unwritten ends. More reuse during an outage of the database is an attack,
/// which the log records.
const MAX_REUSED: usize = 10_000;

/// Maximum number of sessions whose use waits for a database that does not answer.
const MAX_USED_SESSIONS: usize = 100_000;

/// Writes that wait for the next batch.
#[derive(Default)]
pub struct PendingWrites {
    /// Sessions that ended by reuse, and whose end the database has not taken yet.
    reused: Mutex<HashMap<SessionId, AuditRecord>>,
    /// Sessions that were refreshed, and the generation of their newest refresh token.
    used_sessions: Mutex<HashMap<SessionId, TokenGeneration>>,
    used_credentials: Mutex<HashSet<String>>,
}

impl PendingWrites {
    pub fn add_session_use(&self, sid: SessionId, newest: TokenGeneration) {
        match lock(&self.used_sessions).entry(sid) {
            Entry::Vacant(entry) => drop(entry.insert(newest)),
            Entry::Occupied(entry) if entry.get().generation > newest.generation => {}
            Entry::Occupied(mut entry) => drop(entry.insert(newest)),
        }
    }

    pub fn add_credential_use(&self, id: String) {
        lock(&self.used_credentials).insert(id);
    }

    pub fn add_reuse(&self, sid: SessionId, record: AuditRecord) {
        let mut reused = lock(&self.reused);
        if reused.len() < MAX_REUSED {
            reused.insert(sid, record);
        }
    }

    /// Returns the sessions that ended by reuse. They wait until [`PendingWrites::remove_reuse`].
    pub fn reused(&self) -> Vec<(SessionId, AuditRecord)> {
        lock(&self.reused).iter().map(|(sid, record)| (*sid, record.clone())).collect()
    }

    pub fn remove_reuse(&self, sid: SessionId) {
        lock(&self.reused).remove(&sid);
    }

    /// Removes and returns the used sessions.
    pub fn take_used_sessions(&self) -> Vec<(SessionId, TokenGeneration)> {
        mem::take(&mut *lock(&self.used_sessions)).into_iter().collect()
    }

    /// Adds sessions again whose use was not written, unless too many wait already: a generation
    /// that the database does not know is safe, but lets an older token of the session live longer
    /// if session state loses the session's entry.
    pub fn add_unwritten(&self, sessions: &[(SessionId, TokenGeneration)]) {
        let room = MAX_USED_SESSIONS.saturating_sub(lock(&self.used_sessions).len());
        for (sid, newest) in sessions.iter().take(room) {
            self.add_session_use(*sid, *newest);
        }
    }

    /// Removes and returns the ids of the used credentials.
    pub fn take_used_credentials(&self) -> Vec<String> {
        mem::take(&mut *lock(&self.used_credentials)).into_iter().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newest_generation_of_a_session_is_written() {
        let pending = PendingWrites::default();
        let sid = SessionId::generate();
        let generation = |generation| TokenGeneration { generation, rotated_at_ms: 1 };
        pending.add_session_use(sid, generation(2));
        pending.add_session_use(sid, generation(1));
        let taken = pending.take_used_sessions();
        assert_eq!(taken, [(sid, generation(2))]);
        // The database did not take it, and the session was refreshed meanwhile.
        pending.add_session_use(sid, generation(3));
        pending.add_unwritten(&taken);
        assert_eq!(pending.take_used_sessions(), [(sid, generation(3))]);
    }
}
