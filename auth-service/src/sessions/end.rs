//! Sessions end: in the database first, whether or not the client waits for the answer, and in the session state second.

use std::sync::Arc;

use diesel::QueryResult;
use shared::claims::{AccessClaims, SessionId};

use super::{Sessions, run_to_completion::run_to_completion};
use crate::{
    audit_log,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        session::EndCause,
    },
    session_state::Retention,
    store::{
        AnyConnection, StoreError,
        sessions::{self as rows, Ended},
        users::{self, PasswordChange},
    },
    tokens::RefreshClaims,
};

/// Sessions that have ended, each with the time when it would have ended at the latest.
type EndedSessions = Vec<(SessionId, i64)>;

/// What a query ended, and its record. `None`: there was nothing to end.
type EndOutcome = (Option<EndedSessions>, Option<AuditRecord>);

impl Sessions {
    /// Ends the session of a refresh token. Returns whether the database knows the session. After this has returned, no failure brings
    /// the session back.
    ///
    /// # Errors
    /// If the database did not take it. The session state may be unreachable: it is synced later.
    pub async fn log_out(
        self: &Arc<Self>,
        presented: &RefreshClaims,
        cause: EndCause,
        initiator: Initiator,
    ) -> Result<bool, StoreError> {
        let this = Arc::clone(self);
        let sid = presented.sid;
        let record = AuditRecord::new(AuditEvent::Ended(cause), initiator, self.clock.now_ms());
        let record = record.user(&presented.sub).session(sid);
        let retention = self.retention_of(presented);
        run_to_completion(async move {
            let known = this.write_revocation(sid, cause, record).await?;
            this.publish_ended(vec![(sid, retention)]).await;
            Ok(known)
        })
        .await
        .unwrap_or(Err(StoreError::Unavailable))
    }

    fn retention_of(&self, presented: &RefreshClaims) -> Retention {
        let access_until_ms = self.clock.now_ms() + self.access_token_lifetime_ms;
        Retention {
            // Introspection of access tokens may outlast the refresh token, if by little.
            presented_until_ms: self.until_with_leeway(access_until_ms.max(presented.exp * 1000)),
            longest_until_ms: self.until_with_leeway(presented.session_ends_at * 1000),
            // By the clock of the replica that served the login.
            session_began_ms: presented.auth_time * 1000 - self.leeway_ms,
            extend: false,
        }
    }

    /// Ends the session of an access token. A client's token is a session of its own.
    ///
    /// # Errors
    /// If the database did not take it.
    pub async fn end(
        self: &Arc<Self>,
        claims: &AccessClaims,
        initiator: Initiator,
    ) -> Result<(), StoreError> {
        let sid = claims.sid;
        let cause = EndCause::Revocation;
        let now = self.clock.now_ms();
        let is_client_token = claims.is_client_token();
        let token_until_ms = claims.exp * 1000;
        let record = AuditRecord::new(AuditEvent::Ended(cause), initiator, now).session(sid);
        let record = if is_client_token { record } else { record.user(&claims.sub) };
        let end = move |connection: &mut _| {
            let ended = if is_client_token {
                let is_new = rows::insert_revoked(connection, sid, cause, now, token_until_ms)?;
                Some(Ended { until_ms: token_until_ms, is_new })
            } else {
                rows::end(connection, sid, cause, now)?
            };
            Ok(one_ended(sid, ended, record))
        };
        self.end_sessions(cause, end).await.map(drop)
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// If the database did not take it.
    pub async fn end_all(
        self: &Arc<Self>,
        user_id: String,
        cause: EndCause,
        initiator: Initiator,
    ) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::Ended(cause), initiator, now).user(&user_id);
        let end = move |connection: &mut _| {
            let ended = rows::revoke_all(connection, &user_id, None, cause, now)?;
            let record = record.detail(rows::count(&ended));
            Ok((Some(ended), Some(record)))
        };
        self.end_sessions(cause, end).await.map(drop)
    }

    /// Ends one session of a user. Returns whether the user has such a session.
    ///
    /// # Errors
    /// If the database did not take it.
    pub async fn end_one(
        self: &Arc<Self>,
        user_id: String,
        sid: SessionId,
        initiator: Initiator,
    ) -> Result<bool, StoreError> {
        let cause = EndCause::EndedByOwner;
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::Ended(cause), initiator, now);
        let record = record.user(&user_id).session(sid);
        let end = move |connection: &mut _| {
            let ended = rows::revoke_of(connection, &user_id, sid, cause, now)?;
            Ok(one_ended(sid, ended, record))
        };
        self.end_sessions(cause, end).await
    }

    /// Replaces a password, which ends the user's sessions but the one that stays. Returns whether it did: it does not if the user has
    /// changed since the current password was verified.
    ///
    /// # Errors
    /// If the database did not take it.
    pub async fn change_password(
        self: &Arc<Self>,
        change: PasswordChange,
        initiator: Initiator,
    ) -> Result<bool, StoreError> {
        let cause = EndCause::PasswordChange;
        let record = AuditRecord::new(AuditEvent::Ended(cause), initiator, change.at_ms);
        let record = record.user(&change.user_id);
        let end = move |connection: &mut _| {
            let ended = users::change_password(connection, &change)?;
            let record = ended.as_ref().map(|ended| record.detail(rows::count(ended)));
            Ok((ended, record))
        };
        self.end_sessions(cause, end).await
    }

    /// Runs a query that ends sessions, and publishes them. Returns whether there was anything to end.
    async fn end_sessions(
        self: &Arc<Self>,
        cause: EndCause,
        end: impl FnOnce(&mut AnyConnection) -> QueryResult<EndOutcome> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let this = Arc::clone(self);
        run_to_completion(async move {
            let end = move |connection: &mut _| {
                let (ended, record) = end(connection)?;
                Ok(((ended, record.is_some()), record))
            };
            let (ended, is_new) = this.store.audited(end).await?;
            let Some(ended) = ended else { return Ok(false) };
            this.metrics.count_ended_sessions(cause, if is_new { ended.len() } else { 0 });
            let retention = |(sid, until_ms)| (sid, Retention::until(this.until_with_leeway(until_ms)));
            this.publish_ended(ended.into_iter().map(retention).collect()).await;
            Ok(true)
        })
        .await
        .unwrap_or(Err(StoreError::Unavailable))
    }

    /// Writes ended sessions to the session state and to the revocation feed. The database has them already, so neither can fail.
    async fn publish_ended(&self, ended: Vec<(SessionId, Retention)>) {
        let published: Vec<_> = ended.iter().map(|(sid, _)| self.ended_now(*sid)).collect();
        let (written, _) =
            tokio::join!(self.session_state.revoke(ended), self.revocations.publish(&published));
        if let Err(why) = written {
            self.note_outage();
            log::debug!("sessions have ended, but the session state does not hold that yet: {why}");
        }
    }

    /// Ends a session in the database. Returns whether the database knows the session.
    pub(super) async fn write_revocation(
        &self,
        sid: SessionId,
        cause: EndCause,
        record: AuditRecord,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let end = move |connection: &mut _| {
            let is_new = rows::revoke_recorded(connection, sid, cause, now, &record)?;
            if is_new {
                audit_log::write(&record);
            }
            let is_known = is_new || rows::exists(connection, sid)?;
            Ok((is_known, is_new))
        };
        let (is_known, is_new) = self.store.run(end).await?;
        self.metrics.count_ended_sessions(cause, is_new.into());
        Ok(is_known)
    }
}

/// Returns the outcome for one session. Its end is recorded once.
fn one_ended(sid: SessionId, ended: Option<Ended>, record: AuditRecord) -> EndOutcome {
    let sessions = ended.map(|ended| vec![(sid, ended.until_ms)]);
    let record = ended.filter(|ended| ended.is_new).map(|_| record);
    (sessions, record)
}
