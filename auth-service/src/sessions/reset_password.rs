//! A user sets a password with a one-time code, which ends all sessions of the user.

use std::sync::Arc;

use super::{EndOfAll, Sessions};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        session::EndCause,
    },
    store::{
        StoreError,
        users::{self, PasswordReset},
    },
};

impl Sessions {
    /// Sets a password with a one-time code, which ends all sessions of the user. Returns `false`,
    /// and sets no password, if the code is spent, or if the user has changed since it was issued.
    ///
    /// # Errors
    /// If the database does not take the change.
    pub async fn reset_password(
        self: &Arc<Self>,
        reset: PasswordReset,
        initiator: Initiator,
    ) -> Result<bool, StoreError> {
        let cause = EndCause::PasswordChange;
        let verified = AuditRecord::new(AuditEvent::EmailVerified, initiator.clone(), reset.at_ms);
        let verified = verified.user(&reset.user_id).detail("with a mailed reset");
        let all = EndOfAll { user_id: reset.user_id.clone(), keep: None, cause, initiator };
        let record = all.record(reset.at_ms);
        let end = move |connection: &mut _| {
            let Some(after) = users::reset_password(connection, &reset)? else {
                return Ok((None, Vec::new()));
            };
            let count = after.ended.len();
            let record = record.detail(format!("with a one-time code, {count} sessions ended"));
            let record = record.ending(&after.ended);
            let verified = after.is_newly_verified.then_some(verified);
            Ok((Some(after.ended), verified.into_iter().chain([record]).collect()))
        };
        self.end_sessions(cause, Some(all), end).await
    }
}
