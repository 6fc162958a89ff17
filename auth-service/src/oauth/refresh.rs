//! A client exchanges a refresh token (RFC 6749 section 6).

use super::grants::Grants;
use crate::{
    domain::{client::FIRST_PARTY, session::Origin},
    sessions::{RefreshError, Refreshed, Wanted},
};

/// Error returned when a client gets no tokens for a refresh token.
#[derive(Debug, thiserror::Error)]
pub enum RefreshGrantError {
    /// The session is unchanged: the client that the token was issued to can still use it.
    #[error("the refresh token was issued to another client")]
    OtherClient,
    #[error(transparent)]
    Refresh(#[from] RefreshError),
}

impl Grants {
    /// Exchanges a refresh token that `client_id` presents. Only the client that the token was
    /// issued to may do so.
    ///
    /// # Errors
    /// [`RefreshGrantError`].
    pub async fn refresh(
        &self,
        token: &str,
        client_id: &str,
        wanted: &Wanted,
        origin: &Origin,
    ) -> Result<Refreshed, RefreshGrantError> {
        // Only logins of users issue refresh tokens, all of them to `first-party`.
        if client_id != FIRST_PARTY && self.tokens.read_refresh(token).is_ok() {
            return Err(RefreshGrantError::OtherClient);
        }
        Ok(self.sessions.refresh(token, wanted, origin).await?)
    }
}
