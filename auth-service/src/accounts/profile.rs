//! A user reads their own data.

use uuid::Uuid;

use super::Accounts;
use crate::{
    domain::language::Language,
    store::{StoreError, users},
};

/// What a user sees of their own account.
#[derive(Clone, Debug)]
pub struct Profile {
    pub id: Uuid,
    pub email: String,
    pub username: String,
    /// Id of the user in the system from which the user was imported.
    pub external_id: Option<String>,
    /// Whether the user proved to read the mail of the address.
    pub is_email_verified: bool,
    /// Language of mails to the user.
    pub language: Language,
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
        let find = move |connection: &mut _| {
            Ok((users::find(connection, &user_id)?, users::mail_state(connection, &user_id)?))
        };
        let (user, mail) = self.store.run(find).await?;
        let user = user.ok_or(ProfileError::UnknownUser)?;
        Ok(Profile {
            id: user.id,
            email: user.email,
            username: user.username,
            external_id: user.external_id,
            is_email_verified: mail.is_verified,
            language: mail.language,
        })
    }
}
