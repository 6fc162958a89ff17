//! All sessions of a user end, however many there are.

use shared::{claims::SessionId, clock::Clock};

use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        session::EndCause,
    },
    store::{Store, StoreError, sessions as rows},
};

/// The end of all sessions of a user.
///
/// SESSIONS_PER_USER bounds the number of sessions, but a user may have more from before there was
/// a limit, or from before it was lowered. One transaction for all of them could take longer than a
/// request may, and none of them would end. So the sessions beyond the first thousand end in
/// batches, each with its own event in the audit trail, before the transaction that ends the rest.
#[derive(Clone, Debug)]
pub struct EndOfAll {
    pub user_id: String,
    /// Session that stays alive.
    pub keep: Option<SessionId>,
    pub cause: EndCause,
    pub initiator: Initiator,
}

impl EndOfAll {
    /// Ends sessions until few enough are left for one transaction. Appends to `ended` the sessions
    /// that end, each with its latest possible end, also if a later batch fails.
    ///
    /// # Errors
    /// If the database does not take the ends.
    pub async fn end_surplus(
        &self,
        store: &Store,
        clock: &Clock,
        ended: &mut Vec<(SessionId, i64)>,
    ) -> Result<(), StoreError> {
        if !self.has_surplus(store, clock.now_ms()).await? {
            return Ok(());
        }
        loop {
            let batch = self.end_batch(store, clock.now_ms()).await?;
            if batch.is_empty() {
                return Ok(());
            }
            ended.extend(batch);
        }
    }

    /// Returns the event of the audit trail, without the number of sessions.
    pub fn record(&self, at_ms: i64) -> AuditRecord {
        let event = AuditEvent::Ended(self.cause);
        AuditRecord::new(event, self.initiator.clone(), at_ms).user(&self.user_id)
    }

    async fn has_surplus(&self, store: &Store, now_ms: i64) -> Result<bool, StoreError> {
        let Self { user_id, keep, .. } = self.clone();
        store.run(move |connection| rows::has_surplus(connection, &user_id, keep, now_ms)).await
    }

    async fn end_batch(
        &self,
        store: &Store,
        now_ms: i64,
    ) -> Result<Vec<(SessionId, i64)>, StoreError> {
        let record = self.record(now_ms);
        let Self { user_id, keep, cause, .. } = self.clone();
        let end = move |connection: &mut _| {
            let ended = rows::end_surplus(connection, &user_id, keep, cause, now_ms)?;
            let record = (!ended.is_empty()).then(|| record.ended_sessions(&ended));
            Ok((ended, record))
        };
        store.audited(end).await
    }
}
