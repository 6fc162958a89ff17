//! A change of password ends the sessions of the user. It may keep the session of the request: a
//! thief may have a copy of that session's tokens, so its older refresh tokens are void.

use std::sync::{Arc, Mutex, PoisonError};

use super::{EndOfAll, Sessions, restore::live_session};
use crate::{
    domain::{
        audit::Initiator,
        refresh_decision::{CurrentClaims, TokenGeneration},
        session::EndCause,
    },
    store::{
        StoreError,
        sessions::Progress,
        users::{self, AfterPasswordChange, PasswordChange},
    },
};

/// Outcome of a change of password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordChanged {
    /// The user has changed since the current password was verified. Nothing was done.
    UserChanged,
    /// All sessions of the user have ended.
    AllEnded,
    Kept(KeptSession),
}

/// The session that a change of password has kept. Times are seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptSession {
    /// Generation of the session's next refresh token. Older ones are void.
    pub generation: TokenGeneration,
    /// Time of the login.
    pub auth_time: i64,
    pub ends_at: i64,
}

impl Sessions {
    /// Replaces a password, which ends the user's sessions except the one to keep, and voids the
    /// older refresh tokens of that one.
    ///
    /// # Errors
    /// If the database does not take the change.
    pub async fn change_password(
        self: &Arc<Self>,
        change: PasswordChange,
        initiator: Initiator,
    ) -> Result<PasswordChanged, StoreError> {
        let cause = EndCause::PasswordChange;
        let user_id = change.user_id.clone();
        let all = EndOfAll { user_id, keep: change.keep, cause, initiator };
        let record = all.record(change.at_ms);
        let kept = Arc::<Mutex<Option<(Progress, i64)>>>::default();
        let found = Arc::clone(&kept);
        let end = move |connection: &mut _| {
            let after = users::change_password(connection, &change)?;
            let Some(AfterPasswordChange { ended, kept }) = after else { return Ok((None, None)) };
            *found.lock().unwrap_or_else(PoisonError::into_inner) = kept;
            let record = record.ended_sessions(&ended);
            Ok((Some(ended), Some(record)))
        };
        if !self.end_sessions(cause, Some(all), end).await? {
            return Ok(PasswordChanged::UserChanged);
        }
        let kept = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some((progress, auth_time_ms)) = kept else { return Ok(PasswordChanged::AllEnded) };
        let live = live_session(&progress, CurrentClaims::OfAll);
        self.void_in_session_state(vec![live]).await;
        Ok(PasswordChanged::Kept(KeptSession {
            generation: TokenGeneration {
                generation: progress.generation,
                rotated_at_ms: progress.rotated_at_ms,
            },
            auth_time: auth_time_ms / 1000,
            ends_at: progress.expires_at_ms / 1000,
        }))
    }
}
