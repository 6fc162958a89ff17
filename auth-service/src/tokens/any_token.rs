//! Reading a token that may be an access token or a refresh token.

use std::sync::Arc;

use shared::{
    VerifyError,
    claims::{AccessClaims, SessionId},
};

use super::{
    refresh_token::{RefreshClaims, RefreshTokenError},
    service::Tokens,
};

/// The claims of a token of either kind.
pub enum AnyToken {
    Access(Arc<AccessClaims>),
    Refresh(Box<RefreshClaims>),
}

/// Error returned for a token that is neither an access token nor a refresh token: why each kind
/// is ruled out.
pub struct TokenErrors {
    pub as_access: VerifyError,
    pub as_refresh: RefreshTokenError,
}

impl Tokens {
    /// Returns the user and the session of an authentic token or cookie of a user, which shows that
    /// its holder logged in before. A refresh token or a cookie shows so after its expiry and its
    /// session's end too.
    pub async fn earlier_login(&self, token: &str) -> Option<(String, SessionId)> {
        if let Some(earlier) = self.read_expired(token) {
            return Some(earlier);
        }
        let claims = self.verifier.verify(token).await.ok()?;
        (!claims.is_client_token()).then(|| (claims.sub.clone(), claims.sid))
    }

    /// Returns the claims of a token that is authentic and has not expired. The caller checks
    /// whether the token's session has ended.
    ///
    /// # Errors
    /// [`TokenErrors`], if both kinds are ruled out.
    pub async fn read_any(&self, token: &str) -> Result<AnyToken, TokenErrors> {
        // Access tokens are the common case, and the verifier caches the ones it has verified.
        let as_access = match self.verifier.verify(token).await {
            Ok(claims) => return Ok(AnyToken::Access(claims)),
            Err(why) => why,
        };
        match self.read_refresh(token) {
            Ok(claims) => Ok(AnyToken::Refresh(Box::new(claims))),
            Err(as_refresh) => Err(TokenErrors { as_access, as_refresh }),
        }
    }
}
