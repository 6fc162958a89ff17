//! What is written to the database later, in batches: the last use of sessions and credentials, and the ends of sessions that the database
//! could not take.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use shared::claims::SessionId;

use super::Sessions;
use crate::{
    domain::{audit::AuditRecord, session::EndCause},
    store::{StoreError, credentials, sessions as rows},
};

/// Maximum number of unwritten ends. More reuse than this during an outage of the database is an attack, and the log has it.
const MAX_UNWRITTEN: usize = 10_000;

/// Number of rows written at once.
const BATCH: usize = 1000;

/// Writes that wait for the next tick.
#[derive(Default)]
pub struct WriteBehind {
    /// Sessions that ended by reuse, and whose end the database has not taken yet.
    reused: Mutex<HashMap<SessionId, AuditRecord>>,
    used_sessions: Mutex<HashSet<SessionId>>,
    used_credentials: Mutex<HashSet<String>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl WriteBehind {
    pub fn note_session_use(&self, sid: SessionId) {
        lock(&self.used_sessions).insert(sid);
    }

    pub fn note_credential_use(&self, id: String) {
        lock(&self.used_credentials).insert(id);
    }

    pub fn keep_reuse(&self, sid: SessionId, record: AuditRecord) {
        let mut reused = lock(&self.reused);
        if reused.len() < MAX_UNWRITTEN {
            reused.insert(sid, record);
        }
    }
}

impl Sessions {
    /// Writes what waits. A failure is in the log; ends of sessions are kept for the next attempt, times of use are not.
    pub async fn flush(&self) {
        let _ = self.write_reused().await;
        let _ = self.write_session_uses().await;
        let _ = self.write_credential_uses().await;
    }

    async fn write_reused(&self) -> Result<(), StoreError> {
        let reused = &self.write_behind.reused;
        let waiting: Vec<_> = lock(reused).iter().map(|(sid, record)| (*sid, record.clone())).collect();
        for (sid, record) in waiting {
            self.write_revocation(sid, EndCause::Reuse, record).await?;
            lock(reused).remove(&sid);
        }
        Ok(())
    }

    async fn write_session_uses(&self) -> Result<(), StoreError> {
        let used = mem::take(&mut *lock(&self.write_behind.used_sessions));
        let used: Vec<SessionId> = used.into_iter().collect();
        let now = self.clock.now_ms();
        for batch in used.chunks(BATCH) {
            let batch = batch.to_vec();
            self.store.run(move |connection| rows::touch(connection, &batch, now)).await?;
        }
        Ok(())
    }

    async fn write_credential_uses(&self) -> Result<(), StoreError> {
        let used = mem::take(&mut *lock(&self.write_behind.used_credentials));
        let used: Vec<String> = used.into_iter().collect();
        let now = self.clock.now_ms();
        for batch in used.chunks(BATCH) {
            let batch = batch.to_vec();
            self.store.run(move |connection| credentials::touch(connection, &batch, now)).await?;
        }
        Ok(())
    }
}
