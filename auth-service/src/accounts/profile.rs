//! A user reads the own data.

use uuid::Uuid;

use super::Accounts;
use crate::store::{StoreError, users};

/// What a user sees of the own account.
#[derive(Clone, Debug)]
pub struct Profile {
    pub id: Uuid,
    pub email: String,
    pub username: String,
}

/// Error returned when a profile cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// The user was deleted meanwhile.
    #[error("the user does not exist")]
    UnknownUser,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Accounts {
    /// Returns the profile of a user.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub async fn profile(&self, user_id: String) -> Result<Profile, ProfileError> {
        let user = self.store.run(move |connection| users::find(connection, &user_id)).await?;
        let user = user.ok_or(ProfileError::UnknownUser)?;
        Ok(Profile { id: user.id, email: user.email, username: user.username })
    }
}
