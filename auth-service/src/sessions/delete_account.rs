//! A user deletes the account, which ends all sessions.

use std::sync::Arc;

use super::{EndOfAll, Sessions};
use crate::{
    domain::{audit::Initiator, session::EndCause},
    store::{
        StoreError,
        users::{self, AccountDeletion},
    },
};

impl Sessions {
    /// Deletes a user, or begins the grace period. Returns `false`, and changes nothing, if the
    /// code is spent, or if the user has changed meanwhile.
    ///
    /// # Errors
    /// If the database does not take the change.
    pub async fn delete_account(
        self: &Arc<Self>,
        deletion: AccountDeletion,
        initiator: Initiator,
    ) -> Result<bool, StoreError> {
        let cause = match deletion.delete_at_ms {
            Some(_) => EndCause::DeletionRequested,
            None => EndCause::UserDeleted,
        };
        let all = EndOfAll { user_id: deletion.user_id.clone(), keep: None, cause, initiator };
        let record = all.record(deletion.at_ms);
        let end = move |connection: &mut _| {
            let ended = users::request_deletion(connection, &deletion)?;
            let record = ended.as_ref().map(|ended| record.ended_sessions(ended));
            Ok((ended, record))
        };
        self.end_sessions(cause, Some(all), end).await
    }
}
