//! What a client does with tokens: get one in its own right, end the session of one, ask what one is worth.

use std::sync::Arc;

use shared::{
    VerifyError,
    claims::{AccessClaims, Audience, Scope},
    clock::Clock,
};

use super::clients::Clients;
use crate::{
    domain::{
        audit::Initiator,
        scope::{ScopeNotGranted, narrow},
        session::{EndCause, Origin},
    },
    session_state::SessionStateError,
    sessions::Sessions,
    store::{StoreError, clients::Client},
    tokens::{AnyToken, NoSigningKey, RefreshTokenError, TokenErrors, Tokens},
};

/// Use cases of OAuth clients, with the services that they take.
pub struct Grants {
    pub clients: Arc<Clients>,
    pub sessions: Arc<Sessions>,
    pub tokens: Arc<Tokens>,
    pub clock: Clock,
}

/// An access token that a client gets in its own right.
pub struct ClientToken {
    pub access: String,
    /// Lifetime in seconds.
    pub expires_in: i64,
    pub scope: Scope,
}

/// Error returned when a client does not get a token.
#[derive(Debug, thiserror::Error)]
pub enum ClientCredentialsError {
    #[error(transparent)]
    Scope(#[from] ScopeNotGranted),
    #[error(transparent)]
    NoSigningKey(#[from] NoSigningKey),
}

/// Error returned when a token cannot be judged or its session cannot be ended.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The verifier has no keys yet, or the token is not valid yet: it cannot be judged now.
    #[error("the token cannot be judged at the moment")]
    Undecidable,
    /// A client's own token, and the caller did not authenticate as a client.
    #[error("only the client itself may end the session of its token")]
    Unauthenticated,
    /// A client's own token, and the caller is another client.
    #[error("the token is another client's")]
    OtherClient,
    #[error(transparent)]
    SessionState(#[from] SessionStateError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Grants {
    /// Mints an access token for a client in its own right (RFC 6749 section 4.4).
    ///
    /// # Errors
    /// [`ClientCredentialsError`].
    pub fn client_credentials(
        &self,
        client: &Client,
        wanted: Option<&Scope>,
    ) -> Result<ClientToken, ClientCredentialsError> {
        let scope = narrow(&client.scope.clone().into(), wanted)?;
        let audience = audience_of(client);
        let minter = self.tokens.minter()?;
        let access = minter.for_client(client.id.as_str().into(), audience, scope.clone());
        Ok(ClientToken { access, expires_in: self.tokens.access_lifetime_secs(), scope })
    }

    /// Ends the session of a token (RFC 7009). Whoever presents a user's token may do so, because that is how a leaked token is made
    /// worthless; a client's own token is for that client alone. A token that is worthless already is no error (section 2.2).
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn revoke(
        &self,
        token: &str,
        caller: Option<&Client>,
        origin: Origin,
    ) -> Result<(), TokenError> {
        let initiator = match caller {
            Some(client) => Initiator::client(client.id.as_str(), origin),
            None => Initiator::unknown(origin),
        };
        match self.read(token).await? {
            Some(AnyToken::Refresh(presented)) => {
                self.sessions.log_out(&presented, EndCause::Revocation, initiator).await?;
            }
            Some(AnyToken::Access(claims)) => {
                require_own_token(&claims, caller)?;
                self.sessions.end(&claims, initiator).await?;
            }
            None => {}
        }
        Ok(())
    }

    /// Returns what a token says, if it is worth something at this moment (RFC 7662): authentic, not expired, of a session that has not
    /// ended and of a client that still exists.
    ///
    /// # Errors
    /// [`TokenError`]. What cannot be told is not guessed.
    pub async fn introspect(&self, token: &str) -> Result<Option<AnyToken>, TokenError> {
        let Some(token) = self.read(token).await? else { return Ok(None) };
        let is_active = match &token {
            AnyToken::Refresh(claims) => self.sessions.accepts(claims).await?,
            AnyToken::Access(claims) => self.is_active(claims).await?,
        };
        Ok(is_active.then_some(token))
    }

    async fn is_active(&self, claims: &AccessClaims) -> Result<bool, TokenError> {
        if claims.exp <= self.clock.now_secs() || self.sessions.has_ended(claims.sid).await? {
            return Ok(false);
        }
        if !claims.is_client_token() {
            return Ok(true);
        }
        let client = self.clients.find(&claims.sub).await?;
        // Not a later client of the same id. The token's time is in seconds.
        Ok(client.is_some_and(|client| client.created_at_ms < (claims.iat + 1) * 1000))
    }

    /// Returns what a token says, if it is authentic and has not expired. Its session is not checked.
    async fn read(&self, token: &str) -> Result<Option<AnyToken>, TokenError> {
        match self.tokens.read_any(token).await {
            Ok(token) => Ok(Some(token)),
            Err(TokenErrors {
                as_access: VerifyError::KeysUnavailable | VerifyError::NotYetValid,
                as_refresh: RefreshTokenError::Invalid,
            }) => Err(TokenError::Undecidable),
            Err(_) => Ok(None),
        }
    }
}

fn require_own_token(claims: &AccessClaims, caller: Option<&Client>) -> Result<(), TokenError> {
    if !claims.is_client_token() {
        return Ok(());
    }
    let caller = caller.ok_or(TokenError::Unauthenticated)?;
    if claims.sub == caller.id.as_str() { Ok(()) } else { Err(TokenError::OtherClient) }
}

/// Returns the audience of a client's own tokens. `None`: that of the setting AUDIENCE.
fn audience_of(client: &Client) -> Option<Audience> {
    let names: Vec<String> = client.audiences.split_whitespace().map(Into::into).collect();
    (!names.is_empty()).then(|| names.into())
}
