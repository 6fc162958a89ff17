//! The services that the use cases of clients take, and reading a token of either kind.

use std::sync::Arc;

use shared::{VerifyError, clock::Clock};

use super::clients::Clients;
use crate::{
    sessions::Sessions,
    tokens::{AnyToken, RefreshTokenError, TokenErrors, Tokens},
};

/// Use cases of OAuth clients, and the services that they take.
pub struct Grants {
    pub clients: Arc<Clients>,
    pub sessions: Arc<Sessions>,
    pub tokens: Arc<Tokens>,
    pub clock: Clock,
}

/// Error returned when a token can be judged only later: the verifier has no keys yet, or the token
/// is not valid yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token cannot be judged now")]
pub struct UndecidableToken;

impl Grants {
    /// Returns the claims of a token that is authentic and has not expired. Returns `None` for any
    /// other token. Does not check the token's session.
    pub(super) async fn read(&self, token: &str) -> Result<Option<AnyToken>, UndecidableToken> {
        match self.tokens.read_any(token).await {
            Ok(token) => Ok(Some(token)),
            Err(TokenErrors {
                as_access: VerifyError::KeysUnavailable | VerifyError::NotYetValid,
                as_refresh: RefreshTokenError::Invalid,
            }) => Err(UndecidableToken),
            Err(_) => Ok(None),
        }
    }
}
