//! Whether both stores answer, for `/readyz`.

use std::sync::Arc;

use super::{Sessions, sync_state::RetryPolicy};
use crate::{health::UnavailableReason, session_state::SessionStateError};

/// Readiness of both stores.
#[derive(Debug)]
pub struct StoresReadiness {
    pub database: Result<(), UnavailableReason>,
    pub session_state: Result<(), UnavailableReason>,
}

impl StoresReadiness {
    /// Returns whether both stores are ready.
    pub fn is_ready(&self) -> bool {
        self.database.is_ok() && self.session_state.is_ok()
    }
}

impl Sessions {
    /// Returns the readiness of both stores, with the reason if one is not ready.
    pub async fn readiness(self: &Arc<Self>) -> StoresReadiness {
        let database = self.store.check().await;
        let is_complete =
            self.when_synced(RetryPolicy::Once, |_| self.session_state.is_complete()).await;
        let session_state = is_complete.map(drop).map_err(|why| {
            let waits_for_database =
                matches!(why, SessionStateError::Store(_)) || database.is_err();
            match self.session_state.failure_reason() {
                Some(reason) => reason,
                // A request that waits for a sync may give up before the sync fails.
                None if waits_for_database => {
                    UnavailableReason::Text("waiting for the database, which does not answer")
                }
                None => UnavailableReason::Text("being synced from the database"),
            }
        });
        StoresReadiness { database, session_state }
    }
}
