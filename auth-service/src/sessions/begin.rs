//! A session begins.

use std::{sync::Arc, time::Duration};

use super::{Sessions, run_to_completion::run_to_completion, service::with_leeway};
use crate::{
    audit_log,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        session::{EndCause, Origin},
    },
    store::{
        StoreError,
        sessions::{self as rows, LoginRecords, NewSession},
    },
    tokens::Session,
};

/// Maximum time that a login waits until session state has the session's entry.
const FIRST_ENTRY_WAIT: Duration = Duration::from_millis(100);

impl Sessions {
    /// Begins a session of a user whose credentials were verified at `user_revision`. Returns
    /// `false`, and begins no session, if the user has changed since.
    ///
    /// Ends the oldest sessions of a user who has more than SESSIONS_PER_USER.
    ///
    /// # Errors
    /// If the database does not take the session.
    pub async fn begin(
        self: &Arc<Self>,
        session: &Session,
        user_revision: i64,
        amr: &'static str,
        origin: Origin,
    ) -> Result<bool, StoreError> {
        let new = NewSession {
            sid: session.sid,
            user_id: session.user.sub.clone(),
            user_revision,
            amr,
            auth_time_ms: session.auth_time * 1000,
            ends_at_ms: session.ends_at * 1000,
            max_sessions: self.max_per_user.into(),
        };
        let initiator = Initiator::user(origin);
        let record = |event| {
            let record = AuditRecord::new(event, initiator.clone(), self.clock.now_ms());
            record.user(&session.user.sub)
        };
        let records = LoginRecords {
            login: record(AuditEvent::Login).session(session.sid),
            end: record(AuditEvent::Ended(EndCause::SessionLimit)),
        };
        let recorder = self.store.recorder();
        let begin = move |connection: &mut _| {
            let ended = rows::begin(connection, &new, &records, &recorder)?;
            if let Some(ended) = &ended {
                audit_log::write(&records.login);
                for (sid, _) in ended {
                    audit_log::write(&records.end.clone().session(*sid));
                }
            }
            Ok(ended)
        };
        let this = Arc::clone(self);
        let sid = session.sid;
        let until_ms = with_leeway(self.tokens.refresh_expiry(session) * 1000);
        run_to_completion(async move {
            let Some(ended) = this.store.run(begin).await? else { return Ok(false) };
            if !ended.is_empty() {
                this.metrics.count_ended_sessions(EndCause::SessionLimit, ended.len());
                let kept = |(sid, until_ms)| (sid, with_leeway(until_ms));
                this.publish_ended(ended.into_iter().map(kept).collect()).await;
            }
            let begun = Arc::clone(&this);
            let write =
                run_to_completion(async move { begun.write_first_entry(sid, until_ms).await });
            // The user does not wait for a Redis that hangs.
            let _ = tokio::time::timeout(FIRST_ENTRY_WAIT, write).await;
            Ok(true)
        })
        .await
        .unwrap_or(Err(StoreError::Unavailable))
    }

    /// Records that a user has proved their identity with this credential. The next batch writes
    /// the time to the database.
    pub fn record_credential_use(&self, id: String) {
        self.pending_writes.add_credential_use(id);
    }
}
