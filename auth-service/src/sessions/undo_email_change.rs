//! The owner of a former email address takes the account back, which ends all sessions.

use std::sync::Arc;

use super::{EndOfAll, Sessions};
use crate::{
    domain::{audit::Initiator, session::EndCause},
    store::{
        StoreError,
        users::{self, EmailUndo},
    },
};

impl Sessions {
    /// Sets a user's former email address and voids the password. Returns `false`, and changes
    /// nothing, if the code is spent.
    ///
    /// # Errors
    /// If the database does not take the change.
    pub async fn undo_email_change(
        self: &Arc<Self>,
        undo: EmailUndo,
        initiator: Initiator,
    ) -> Result<bool, StoreError> {
        let cause = EndCause::EmailChangeUndone;
        let all = EndOfAll { user_id: undo.user_id.clone(), keep: None, cause, initiator };
        let record = all.record(undo.at_ms);
        let end = move |connection: &mut _| {
            let ended = users::undo_email_change(connection, &undo)?;
            let record = ended.as_ref().map(|ended| record.ended_sessions(ended));
            Ok((ended, record))
        };
        self.end_sessions(cause, Some(all), end).await
    }
}
