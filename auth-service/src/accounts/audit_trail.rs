//! An operator reads the audit trail.

use uuid::Uuid;

use super::admin::{AdminError, UserAdmin};
pub use crate::store::audit::StoredEvent;
use crate::store::audit::{self, Filter};

/// The events that an operator wants to read. `None`: any value.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// A username, an email address, or a user id. The id finds the events of a deleted user.
    pub user: Option<String>,
    pub client_id: Option<String>,
    pub event: Option<String>,
    /// Earliest time of an event, in milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
}

impl UserAdmin {
    /// Returns the last `limit` events that meet the filter, oldest first.
    ///
    /// # Errors
    /// [`AdminError::UnknownUser`] or [`AdminError::Store`].
    pub async fn audit_trail(
        &self,
        filter: AuditFilter,
        limit: i64,
    ) -> Result<Vec<StoredEvent>, AdminError> {
        let AuditFilter { user, client_id, event, since_ms } = filter;
        let user_id = match user {
            Some(user) => Some(self.id_in_audit_trail(&user).await?),
            None => None,
        };
        let filter = Filter { user_id, client_id, event, since_ms };
        let query = move |connection: &mut _| audit::last(connection, &filter, limit);
        Ok(self.store.run(query).await?)
    }

    async fn id_in_audit_trail(&self, user: &str) -> Result<String, AdminError> {
        // A username may have the form of an id, so names come first.
        match self.find(user).await {
            Ok(user) => Ok(user.id.to_string()),
            Err(AdminError::UnknownUser(name)) => match name.parse::<Uuid>() {
                Ok(id) => Ok(id.to_string()),
                Err(_) => Err(AdminError::UnknownUser(name)),
            },
            Err(why) => Err(why),
        }
    }
}
