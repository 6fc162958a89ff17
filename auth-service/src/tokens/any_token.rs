//! A token of either kind, for the routes that take both.

use std::sync::Arc;

use shared::{Verifier, VerifyError, claims::AccessClaims};

use super::{RefreshClaims, RefreshTokenError, Tokens};

/// A token of either kind.
pub enum AnyToken {
    Access(Arc<AccessClaims>),
    Refresh(Box<RefreshClaims>),
}

/// Why a token is of neither kind.
pub struct TokenErrors {
    /// What is wrong with it as an access token.
    pub as_access: VerifyError,
    /// What is wrong with it as a refresh token.
    pub as_refresh: RefreshTokenError,
}

impl AnyToken {
    /// Reads a token, if it is authentic and has not expired. Its session is not checked.
    ///
    /// # Errors
    /// [`TokenErrors`].
    pub async fn read(verifier: &Verifier, tokens: &Tokens, token: &str) -> Result<Self, TokenErrors> {
        // As an access token first: that is the usual kind, and the verifier may have it in its cache.
        let as_access = match verifier.verify(token).await {
            Ok(claims) => return Ok(Self::Access(claims)),
            Err(why) => why,
        };
        match tokens.read_refresh(token) {
            Ok(claims) => Ok(Self::Refresh(Box::new(claims))),
            Err(as_refresh) => Err(TokenErrors { as_access, as_refresh }),
        }
    }
}
