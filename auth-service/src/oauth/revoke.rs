//! A client ends the session of a token (RFC 7009).

use shared::claims::AccessClaims;

use super::{
    clients::Client,
    grants::{Grants, UndecidableToken},
};
use crate::{
    domain::{
        audit::Initiator,
        session::{EndCause, Origin},
    },
    store::StoreError,
    tokens::AnyToken,
};

/// Error returned when the session of a token is not ended.
#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    #[error(transparent)]
    Undecidable(#[from] UndecidableToken),
    /// The token is a client's own, and the caller did not authenticate as a client.
    #[error("the token belongs to a client, and the caller did not authenticate")]
    Unauthenticated,
    /// The token is a client's own, and the caller is another client.
    #[error("the token is another client's")]
    OtherClient,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Grants {
    /// Ends the session of a token. A token that is not valid is no error (RFC 7009 section 2.2).
    ///
    /// Any caller that presents a user's token may end the session of the token: the end makes a
    /// leaked token worthless. Only the client itself may end the session of a client's own token.
    ///
    /// # Errors
    /// [`RevokeError`].
    pub async fn revoke(
        &self,
        token: &str,
        caller: Option<&Client>,
        origin: Origin,
    ) -> Result<(), RevokeError> {
        let initiator = match caller {
            Some(client) => Initiator::client(client.id.as_str(), origin),
            None => Initiator::unknown(origin),
        };
        match self.read(token).await? {
            Some(AnyToken::Refresh(presented)) => {
                let cause = EndCause::Revocation;
                self.sessions.end_by_refresh_token(&presented, cause, initiator).await?;
            }
            Some(AnyToken::Access(claims)) => {
                require_own_token(&claims, caller)?;
                self.sessions.end_by_access_token(&claims, initiator).await?;
            }
            None => {}
        }
        Ok(())
    }
}

fn require_own_token(claims: &AccessClaims, caller: Option<&Client>) -> Result<(), RevokeError> {
    if !claims.is_client_token() {
        return Ok(());
    }
    let caller = caller.ok_or(RevokeError::Unauthenticated)?;
    if claims.sub == caller.id.as_str() { Ok(()) } else { Err(RevokeError::OtherClient) }
}
