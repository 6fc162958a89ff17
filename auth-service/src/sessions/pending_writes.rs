//! Writes to the database that wait for the next batch.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use shared::claims::SessionId;

use crate::domain::audit::AuditRecord;

/// Maximum number of unwritten ends. More reuse during an outage of the database is an attack,
/// which the log records.
const MAX_REUSED: usize = 10_000;

/// Writes that wait for the next batch.
#[derive(Default)]
pub struct PendingWrites {
    /// Sessions that ended by reuse, and whose end the database has not taken yet.
    reused: Mutex<HashMap<SessionId, AuditRecord>>,
    used_sessions: Mutex<HashSet<SessionId>>,
    used_credentials: Mutex<HashSet<String>>,
}

impl PendingWrites {
    pub fn add_session_use(&self, sid: SessionId) {
        lock(&self.used_sessions).insert(sid);
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
    pub fn take_used_sessions(&self) -> Vec<SessionId> {
        mem::take(&mut *lock(&self.used_sessions)).into_iter().collect()
    }

    /// Removes and returns the ids of the used credentials.
    pub fn take_used_credentials(&self) -> Vec<String> {
        mem::take(&mut *lock(&self.used_credentials)).into_iter().collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
