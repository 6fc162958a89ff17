//! Sessions end, even if the client disconnects before the answer: in the database first, in
//! session state second.

use std::sync::Arc;

use diesel::QueryResult;
use shared::claims::{AccessClaims, SessionId};

use super::{EndOfAll, Sessions, run_to_completion::run_to_completion, service::with_leeway};
use crate::{
    audit_log,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        session::{EndCause, Origin},
    },
    store::{
        AnyConnection, StoreError,
        sessions::{self as rows, Ended},
    },
    tokens::{RefreshClaims, RefreshTokenError},
};

/// Error returned when a user is not logged out.
#[derive(Debug, thiserror::Error)]
pub enum LogoutError {
    #[error(transparent)]
    Token(#[from] RefreshTokenError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Error returned when a session of a user is not ended.
#[derive(Debug, thiserror::Error)]
pub enum EndSessionError {
    #[error("the user has no such session")]
    UnknownSession,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sessions that have ended, each with its latest possible end.
pub(super) type EndedSessions = Vec<(SessionId, i64)>;

/// What a query ended, and its records. `None`: the query found no session to end.
pub(super) type EndOutcome<R = Option<AuditRecord>> = (Option<EndedSessions>, R);

impl Sessions {
    /// Logs a user out: ends the session of a refresh token of the user of `caller`. A session that
    /// has ended already is no error, because a client may repeat a request that got no answer.
    ///
    /// # Errors
    /// [`LogoutError`].
    pub async fn log_out(
        self: &Arc<Self>,
        token: &str,
        caller: &AccessClaims,
        origin: Origin,
    ) -> Result<(), LogoutError> {
        let presented = self.tokens.read_refresh(token)?;
        if presented.sub != caller.sub {
            return Err(RefreshTokenError::OtherUser.into());
        }
        let initiator = Initiator::user(origin);
        match self.end_by_refresh_token(&presented, EndCause::Logout, initiator).await? {
            true => Ok(()),
            // Session state holds the end now, but without a row the end does not survive a loss
            // of session state. So the logout is not answered as a success.
            false => Err(RefreshTokenError::Revoked.into()),
        }
    }

    /// Ends the session of a refresh token. Returns whether the database knows the session. Once
    /// this has returned, no failure revives the session.
    ///
    /// # Errors
    /// If the database does not take the end. An unreachable session state is no error: it is
    /// synced later.
    pub async fn end_by_refresh_token(
        self: &Arc<Self>,
        presented: &RefreshClaims,
        cause: EndCause,
        initiator: Initiator,
    ) -> Result<bool, StoreError> {
        let this = Arc::clone(self);
        let sid = presented.sid;
        let record = AuditRecord::new(AuditEvent::Ended(cause), initiator, self.clock.now_ms());
        let record = record.user(&presented.sub).session(sid);
        let until_ms = self.kept_until_ms(presented);
        run_to_completion(async move {
            let is_known = this.write_end(sid, cause, record).await?;
            this.publish_ended(vec![(sid, until_ms)]).await;
            Ok(is_known)
        })
        .await
        .unwrap_or(Err(StoreError::Unavailable))
    }

    /// Returns the time until which the entry of an ended session is kept. A newer token of the
    /// session than the presented one may live longer: it finds no entry, and the row is read.
    fn kept_until_ms(&self, presented: &RefreshClaims) -> i64 {
        let access_until_ms = self.clock.now_ms() + self.token_lifetime.longest_ms();
        // An access token of the session may expire a little later than the refresh token.
        with_leeway(access_until_ms.max(presented.exp * 1000))
    }

    /// Ends the session of an access token. A client's token is a session of its own.
    ///
    /// # Errors
    /// If the database does not take the end.
    pub async fn end_by_access_token(
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
                let is_new = rows::insert_ended(connection, sid, cause, now, token_until_ms)?;
                Some(Ended { until_ms: token_until_ms, is_new })
            } else {
                rows::end(connection, sid, cause, now)?
            };
            Ok(outcome_of_one(sid, ended, record))
        };
        self.end_sessions(cause, None, end).await.map(drop)
    }

    /// Ends all sessions of a user.
    ///
    /// # Errors
    /// If the database does not take the ends.
    pub async fn end_all(
        self: &Arc<Self>,
        user_id: String,
        cause: EndCause,
        initiator: Initiator,
    ) -> Result<(), StoreError> {
        self.end_all_but(None, user_id, cause, initiator).await
    }

    /// Ends all sessions of a user except one.
    ///
    /// # Errors
    /// If the database does not take the ends.
    pub async fn end_others(
        self: &Arc<Self>,
        user_id: String,
        kept: SessionId,
        initiator: Initiator,
    ) -> Result<(), StoreError> {
        self.end_all_but(Some(kept), user_id, EndCause::EndedByOwner, initiator).await
    }

    async fn end_all_but(
        self: &Arc<Self>,
        keep: Option<SessionId>,
        user_id: String,
        cause: EndCause,
        initiator: Initiator,
    ) -> Result<(), StoreError> {
        let now = self.clock.now_ms();
        let all = EndOfAll { user_id: user_id.clone(), keep, cause, initiator };
        let record = all.record(now);
        let end = move |connection: &mut _| {
            let ended = rows::end_all(connection, &user_id, keep, cause, now)?;
            let record = record.ended_sessions(&ended);
            Ok((Some(ended), Some(record)))
        };
        self.end_sessions(cause, Some(all), end).await.map(drop)
    }

    /// Ends one session of a user.
    ///
    /// # Errors
    /// [`EndSessionError`].
    pub async fn end_one(
        self: &Arc<Self>,
        user_id: String,
        sid: SessionId,
        initiator: Initiator,
    ) -> Result<(), EndSessionError> {
        let cause = EndCause::EndedByOwner;
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::Ended(cause), initiator, now);
        let record = record.user(&user_id).session(sid);
        let end = move |connection: &mut _| {
            let ended = rows::end_of_user(connection, &user_id, sid, cause, now)?;
            Ok(outcome_of_one(sid, ended, record))
        };
        match self.end_sessions(cause, None, end).await? {
            true => Ok(()),
            false => Err(EndSessionError::UnknownSession),
        }
    }

    /// Runs a query that ends sessions, and publishes them. Returns whether the query found a
    /// session to end. If the query ends `all` sessions of a user, their surplus ends first.
    pub(super) async fn end_sessions<R: IntoIterator<Item = AuditRecord> + 'static>(
        self: &Arc<Self>,
        cause: EndCause,
        all: Option<EndOfAll>,
        end: impl FnOnce(&mut AnyConnection) -> QueryResult<EndOutcome<R>> + Send + 'static,
    ) -> Result<bool, StoreError> {
        let this = Arc::clone(self);
        run_to_completion(async move {
            let mut ended = EndedSessions::new();
            let outcome = this.end_in_database(cause, all, end, &mut ended).await;
            let kept = |(sid, until_ms)| (sid, with_leeway(until_ms));
            this.publish_ended(ended.into_iter().map(kept).collect()).await;
            outcome
        })
        .await
        .unwrap_or(Err(StoreError::Unavailable))
    }

    /// Ends sessions in the database. Appends to `ended` the sessions that end, also if it fails.
    async fn end_in_database<R: IntoIterator<Item = AuditRecord> + 'static>(
        &self,
        cause: EndCause,
        all: Option<EndOfAll>,
        end: impl FnOnce(&mut AnyConnection) -> QueryResult<EndOutcome<R>> + Send + 'static,
        ended: &mut EndedSessions,
    ) -> Result<bool, StoreError> {
        if let Some(all) = all {
            let outcome = all.end_surplus(&self.store, &self.clock, ended).await;
            self.metrics.count_ended_sessions(cause, ended.len());
            outcome?;
        }
        let end = move |connection: &mut _| {
            let (ended, records) = end(connection)?;
            let records: Vec<AuditRecord> = records.into_iter().collect();
            Ok(((ended, !records.is_empty()), records))
        };
        let (rest, is_new) = self.store.audited(end).await?;
        let Some(rest) = rest else { return Ok(false) };
        self.metrics.count_ended_sessions(cause, if is_new { rest.len() } else { 0 });
        ended.extend(rest);
        Ok(true)
    }

    /// Publishes sessions that another use case has ended in the database, each with its latest
    /// possible end, so that they end everywhere at once instead of within a second.
    pub async fn publish_ends(&self, cause: EndCause, ended: Vec<(SessionId, i64)>) {
        self.metrics.count_ended_sessions(cause, ended.len());
        let kept = |(sid, until_ms)| (sid, with_leeway(until_ms));
        self.publish_ended(ended.into_iter().map(kept).collect()).await;
    }

    /// Writes ended sessions to session state and to the revocation feed. The database holds them
    /// already, so a failure of either is repaired later.
    pub(super) async fn publish_ended(&self, ended: EndedSessions) {
        if ended.is_empty() {
            return;
        }
        let now = self.clock.now_ms();
        let published: Vec<_> = ended.iter().map(|(sid, _)| (*sid, now)).collect();
        let (written, _) =
            tokio::join!(self.session_state.revoke(ended), self.revocations.publish(&published));
        if let Err(why) = written {
            self.record_outage();
            log::debug!("session state does not hold the ended sessions yet: {why}");
        }
    }

    /// Ends a session in the database. Returns whether the database knows the session.
    pub(super) async fn write_end(
        &self,
        sid: SessionId,
        cause: EndCause,
        record: AuditRecord,
    ) -> Result<bool, StoreError> {
        let now = self.clock.now_ms();
        let recorder = self.store.recorder();
        let end = move |connection: &mut _| {
            let is_new = rows::end_audited(connection, sid, cause, now, &record, &recorder)?;
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

/// Returns the outcome for one session, whose end is recorded once.
fn outcome_of_one(sid: SessionId, ended: Option<Ended>, record: AuditRecord) -> EndOutcome {
    let sessions = ended.map(|ended| vec![(sid, ended.until_ms)]);
    let record = ended.filter(|ended| ended.is_new).map(|_| record);
    (sessions, record)
}
