//! A user's sessions are listed.

use super::Sessions;
pub use crate::store::sessions::SessionDetails;
use crate::store::{StoreError, sessions as rows};

/// Maximum number of listed sessions.
const MAX_LISTED: i64 = 100;

impl Sessions {
    /// Returns the live sessions of a user, at most 100, the last used first.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn list(&self, user_id: String) -> Result<Vec<SessionDetails>, StoreError> {
        let now = self.clock.now_ms();
        let query = move |connection: &mut _| rows::details(connection, &user_id, now, MAX_LISTED);
        self.store.run(query).await
    }
}
