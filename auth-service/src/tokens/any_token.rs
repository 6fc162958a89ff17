//! A token of either kind, as the routes take it that are asked about one.

use std::sync::Arc;

use shared::{VerifyError, claims::AccessClaims};

use crate::{
    app::App,
    tokens::{RefreshClaims, RefreshError},
};

/// A token of either kind.
pub enum AnyToken {
    Access(Arc<AccessClaims>),
    Refresh(Box<RefreshClaims>),
}

/// Why a token is neither: what is wrong with it as an access token, and what as a refresh token.
pub struct TokenErrors {
    pub as_access: VerifyError,
    pub as_refresh: RefreshError,
}

impl AnyToken {
    /// What a token is, if it is authentic and has not expired. Whether its session goes on is not asked.
    ///
    /// # Errors
    /// [`TokenErrors`].
    pub async fn read(app: &App, token: &str) -> Result<Self, TokenErrors> {
        // An access token first: it is what is asked about, and the verifier may remember it.
        let as_access = match app.verifier.verify(token).await {
            Ok(claims) => return Ok(Self::Access(claims)),
            Err(why) => why,
        };
        match app.tokens.read_refresh(token) {
            Ok(claims) => Ok(Self::Refresh(Box::new(claims))),
            Err(as_refresh) => Err(TokenErrors { as_access, as_refresh }),
        }
    }
}
