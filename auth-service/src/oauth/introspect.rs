//! A client asks whether a token is active (RFC 7662).

use shared::claims::AccessClaims;

use super::grants::{Grants, UndecidableToken};
use crate::{session_state::SessionStateError, store::StoreError, tokens::AnyToken};

/// Error returned when it is unknown whether a token is active.
#[derive(Debug, thiserror::Error)]
pub enum IntrospectError {
    #[error(transparent)]
    Undecidable(#[from] UndecidableToken),
    #[error(transparent)]
    SessionState(#[from] SessionStateError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Grants {
    /// Returns the claims of a token that is active: authentic, not expired, of a session that has
    /// not ended and of a client that still exists. Returns `None` for any other token.
    ///
    /// # Errors
    /// [`IntrospectError`].
    pub async fn introspect(&self, token: &str) -> Result<Option<AnyToken>, IntrospectError> {
        let Some(token) = self.read(token).await? else { return Ok(None) };
        let is_active = match &token {
            AnyToken::Refresh(claims) => self.sessions.accepts(claims).await?,
            AnyToken::Access(claims) => self.is_active(claims).await?,
        };
        Ok(is_active.then_some(token))
    }

    async fn is_active(&self, claims: &AccessClaims) -> Result<bool, IntrospectError> {
        // The verifier tolerates the leeway; introspection does not.
        if claims.exp <= self.clock.now_secs() || self.sessions.has_ended(claims.sid).await? {
            return Ok(false);
        }
        if !claims.is_client_token() {
            return Ok(true);
        }
        let client = self.clients.find(&claims.sub).await?;
        // A client that was created after the token is another client with the same id. The
        // token's time is in seconds.
        Ok(client.is_some_and(|client| client.created_at_ms < (claims.iat + 1) * 1000))
    }
}
