//! A client asks whether a token is active (RFC 7662).

use std::sync::Arc;

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
    /// Returns the claims of an access token that is active: authentic, not expired, of a session
    /// that has not ended and of a client that still exists. Returns `None` for any other token.
    ///
    /// A refresh token is never active here. Resource servers ask, and they must not accept it (RFC
    /// 7662 section 2.2 leaves the decision to the server). Proxies such as Apache's
    /// mod_auth_openidc admit any active token as an access token.
    ///
    /// # Errors
    /// [`IntrospectError`].
    pub async fn introspect(
        &self,
        token: &str,
    ) -> Result<Option<Arc<AccessClaims>>, IntrospectError> {
        match self.read(token).await? {
            Some(AnyToken::Access(claims)) if self.is_active(&claims).await? => Ok(Some(claims)),
            Some(AnyToken::Access(_) | AnyToken::Refresh(_)) | None => Ok(None),
        }
    }

    async fn is_active(&self, claims: &AccessClaims) -> Result<bool, IntrospectError> {
        // The verifier tolerates the leeway; introspection does not.
        if claims.exp <= self.clock.now_secs() || self.sessions.has_ended(claims).await? {
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
