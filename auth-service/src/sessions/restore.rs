//! Session state has no entry of a session: Redis evicted or lost it, or was unreachable at the
//! login. The session's row tells whether the session has ended, and the entry is restored from it.
//!
//! The row is read again after the entry is written. A session that ends in between is thus found
//! by one of the two: its end is written to the database first and to session state second.

use shared::claims::SessionId;

use super::{
    Sessions,
    service::{LEEWAY_MS, with_leeway},
};
use crate::{
    domain::refresh_decision::{CurrentClaims, RefreshDecision, SessionEntry, is_of_earlier_epoch},
    session_state::{LiveSession, RefreshAttempt, SessionStateError},
    store::{
        StoreError,
        sessions::{self as rows, Progress},
    },
};

/// What the database knows of a session.
enum Row {
    Live(LiveSession),
    /// The session has ended, and session state has its end.
    Ended,
    Missing,
}

/// The session of a token.
#[derive(Clone, Copy, Debug)]
pub(super) enum TokenSession {
    /// A user's session, which has a row from its login on.
    User(SessionId),
    /// The session of a client's own token, which has a row only once it has ended. The token
    /// expires at this time, in milliseconds since the Unix epoch.
    Client(SessionId, i64),
}

impl TokenSession {
    pub(super) fn sid(self) -> SessionId {
        let (Self::User(sid) | Self::Client(sid, _)) = self;
        sid
    }
}

impl Sessions {
    /// Writes the entry of a session that has just begun, so that the first refresh and the first
    /// check find it. A failure is no error: they read the session's row then.
    pub(super) async fn write_first_entry(&self, sid: SessionId, until_ms: i64) {
        let Some(epoch) = self.synced_epoch() else { return };
        let session = LiveSession::unrefreshed(sid, until_ms);
        if self.session_state.restore(epoch, session).await.is_err() {
            self.record_outage_of(epoch);
        }
    }

    /// Restores the entry of a session, and returns it.
    ///
    /// # Errors
    /// If the database does not answer. If session state does not take the entry, the answer of the
    /// database counts.
    pub(super) async fn restored_entry(
        &self,
        epoch: u64,
        session: TokenSession,
    ) -> Result<SessionEntry, StoreError> {
        let live = match (self.row(session.sid()).await?, session) {
            (Row::Live(live), _) => live,
            (Row::Missing, TokenSession::Client(sid, until_ms)) => {
                LiveSession::unrefreshed(sid, with_leeway(until_ms))
            }
            (Row::Missing, TokenSession::User(_)) | (Row::Ended, _) => {
                return Ok(SessionEntry::Revoked);
            }
        };
        let restored = self.session_state.restore(epoch, live).await;
        if restored.is_err() {
            self.record_outage_of(epoch);
        }
        self.metrics.count_restored_entry();
        match self.row(live.sid).await? {
            Row::Ended => Ok(SessionEntry::Revoked),
            Row::Live(now) if is_voided_since(&live, &now) => {
                self.void_in_session_state(vec![now]).await;
                Ok(SessionEntry::Alive(now.watermark()))
            }
            _ => Ok(restored.unwrap_or(SessionEntry::Alive(live.watermark()))),
        }
    }

    /// Decides on a refresh of a session without an entry.
    ///
    /// # Errors
    /// If session state or the database does not answer.
    pub(super) async fn decide_restored(
        &self,
        epoch: u64,
        attempt: RefreshAttempt,
    ) -> Result<RefreshDecision, SessionStateError> {
        let live = match self.row(attempt.sid).await? {
            Row::Live(live) => live,
            Row::Missing | Row::Ended => return Ok(RefreshDecision::Revoked),
        };
        let attempt = RefreshAttempt { restored: Some(live), ..attempt };
        let decision = self.session_state.decide_refresh(epoch, attempt).await?;
        if !decision.is_accepted() {
            return Ok(decision);
        }
        self.metrics.count_restored_entry();
        match self.row(live.sid).await? {
            Row::Ended => Ok(RefreshDecision::Revoked),
            Row::Live(now) if is_voided_since(&live, &now) => {
                self.void_in_session_state(vec![now]).await;
                Ok(RefreshDecision::Void)
            }
            _ => Ok(decision),
        }
    }

    /// Voids older tokens in session state, which the database has voided already. A failure is
    /// repaired by the next sync.
    pub(super) async fn void_in_session_state(&self, sessions: Vec<LiveSession>) {
        if let Err(why) = self.session_state.void(sessions).await {
            self.record_outage();
            log::debug!("session state does not hold the voided generations yet: {why}");
        }
    }

    /// Reads the row of a session. Writes the end of an ended session to session state.
    async fn row(&self, sid: SessionId) -> Result<Row, StoreError> {
        let found = self.store.run(move |connection| rows::progress(connection, sid)).await?;
        let Some((progress, claims_changed_at)) = found else { return Ok(Row::Missing) };
        if progress.has_ended || progress.expires_at_ms <= self.clock.now_ms() {
            self.restore_end(sid, with_leeway(progress.expires_at_ms)).await;
            return Ok(Row::Ended);
        }
        // The time of the login is from the clock of the replica that served it.
        let is_changed = claims_changed_at
            .is_some_and(|changed_at| changed_at + LEEWAY_MS >= progress.began_at_ms);
        let current_claims = if is_changed { CurrentClaims::OfNone } else { CurrentClaims::OfAll };
        Ok(Row::Live(live_session(&progress, current_claims)))
    }

    /// Writes the end of a session to session state. A failure is no error: the next request reads
    /// the session's row again.
    async fn restore_end(&self, sid: SessionId, until_ms: i64) {
        if self.session_state.revoke(vec![(sid, until_ms)]).await.is_err() {
            self.record_outage();
        }
    }
}

/// Returns whether a change of password has voided tokens since `before` was read.
fn is_voided_since(before: &LiveSession, now: &LiveSession) -> bool {
    is_of_earlier_epoch(before.generation, now.generation)
}

/// Returns what session state keeps of a session that is live in the database.
pub(super) fn live_session(progress: &Progress, current_claims: CurrentClaims) -> LiveSession {
    LiveSession {
        sid: progress.sid,
        generation: progress.generation,
        rotated_at_ms: progress.rotated_at_ms,
        current_claims,
        until_ms: with_leeway(progress.expires_at_ms),
    }
}
