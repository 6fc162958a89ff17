//! A token of either kind, as the routes take it that are asked about one.

use std::sync::Arc;

use shared::{VerifyError, claims::AccessClaims};

use crate::{
    state::State,
    tokens::{RefreshClaims, RefreshError},
};

/// A token of either kind.
pub enum AnyToken {
    Access(Arc<AccessClaims>),
    Refresh(Box<RefreshClaims>),
}

/// Why a token is neither: what is wrong with it as an access token, and what as a refresh token.
pub struct Neither {
    pub as_access: VerifyError,
    pub as_refresh: RefreshError,
}

impl AnyToken {
    /// What a token is, if it is authentic and has not expired. Whether its session goes on is not asked.
    ///
    /// # Errors
    /// [`Neither`].
    pub async fn read(state: &State, token: &str) -> Result<Self, Neither> {
        // An access token first: it is what is asked about, and the verifier may remember it.
        let as_access = match state.verifier.verify(token).await {
            Ok(claims) => return Ok(Self::Access(claims)),
            Err(why) => why,
        };
        match state.tokens.read_refresh(token) {
            Ok(claims) => Ok(Self::Refresh(Box::new(claims))),
            Err(as_refresh) => Err(Neither { as_access, as_refresh }),
        }
    }
}
