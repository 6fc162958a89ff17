//! A user proves the password again within a session.

use std::sync::Arc;

use shared::claims::SessionId;

use super::{Sessions, mark_claims_stale, restore::live_session};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        refresh_decision::CurrentClaims,
    },
    store::{StoreError, sessions as rows},
};

/// A session whose user has just proved the password. Times are seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reauthenticated {
    pub auth_time: i64,
    pub ends_at: i64,
}

impl Sessions {
    /// Records that the user of a session has proved the password now. Tokens state the time after
    /// the next refresh. Returns `None` if the session has ended, or if the user has changed since
    /// `user_revision` was read.
    ///
    /// # Errors
    /// If the database does not take the change.
    pub async fn reauthenticate(
        self: &Arc<Self>,
        sid: SessionId,
        user_id: &str,
        user_revision: i64,
        initiator: Initiator,
    ) -> Result<Option<Reauthenticated>, StoreError> {
        let auth_time = self.clock.now_secs();
        let at_ms = auth_time * 1000;
        let event = AuditEvent::Reauthenticated;
        let record = AuditRecord::new(event, initiator, self.clock.now_ms());
        let record = record.user(user_id).session(sid);
        let id = user_id.to_owned();
        let write = move |connection: &mut _| {
            let progress = rows::reauthenticate(connection, sid, &id, user_revision, at_ms)?;
            Ok((progress, progress.map(|_| record)))
        };
        let Some(progress) = self.store.audited(write).await? else { return Ok(None) };
        let stale = live_session(&progress, CurrentClaims::OfNone);
        if let Err(why) = self.session_state.mark_claims_stale(vec![stale]).await {
            // Tokens still state the time of the login, which is older.
            log::debug!("session {sid} is not marked: {why}");
        }
        Ok(Some(Reauthenticated { auth_time, ends_at: progress.expires_at_ms / 1000 }))
    }

    /// Marks the sessions of a user whose name has changed, so that the next refresh of each
    /// carries the change. If session state does not answer, the replicas mark the sessions later:
    /// they look for changes once a second.
    pub async fn mark_claims_of(&self, user_id: &str) {
        let now = self.clock.now_ms();
        if let Err(why) = mark_claims_stale(&self.store, &self.session_state, user_id, now).await {
            log::debug!("the sessions of user {user_id} are not marked yet: {why}");
        }
    }
}
