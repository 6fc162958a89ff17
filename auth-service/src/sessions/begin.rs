//! A session begins.

use super::Sessions;
use crate::{
    audit_log,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        refresh_decision::TokenGeneration,
        session::Origin,
    },
    store::{
        StoreError,
        sessions::{self as rows, NewSession},
    },
    tokens::Session,
};

/// Generation of the tokens of a login.
pub const FIRST_GENERATION: TokenGeneration = TokenGeneration { generation: 0, rotated_at_ms: 0 };

impl Sessions {
    /// Begins a session of a user whose credentials were verified at `user_revision`. Returns
    /// `false`, and begins none, if the user has changed since.
    ///
    /// # Errors
    /// If the database does not take the session.
    pub async fn begin(
        &self,
        session: &Session,
        user_revision: i64,
        amr: &'static str,
        origin: Origin,
    ) -> Result<bool, StoreError> {
        let sid = session.sid;
        let initiator = Initiator::user(origin);
        let record = AuditRecord::new(AuditEvent::Login, initiator, self.clock.now_ms());
        let record = record.user(&session.user.sub).session(sid);
        let new = NewSession {
            sid,
            user_id: session.user.sub.clone(),
            user_revision,
            amr,
            auth_time_ms: session.auth_time * 1000,
            ends_at_ms: session.ends_at * 1000,
        };
        let begin = move |connection: &mut _| {
            let began = rows::begin(connection, &new, &record)?;
            if began {
                audit_log::write(&record);
            }
            Ok(began)
        };
        self.store.run(begin).await
    }

    /// Records that a user has proved the own identity with this credential. The database gets the
    /// time with the next batch.
    pub fn record_credential_use(&self, id: String) {
        self.pending_writes.add_credential_use(id);
    }
}
