//! A client gets an access token of its own (RFC 6749 section 4.4).

use shared::claims::{Audience, Scope};

use super::{clients::Client, grants::Grants};
use crate::{
    domain::scope::{ScopeNotGranted, narrow},
    tokens::NoSigningKey,
};

/// An access token of a client's own.
pub struct ClientToken {
    pub access: String,
    /// Lifetime in seconds.
    pub expires_in: i64,
    pub scope: Scope,
}

/// Error returned when a client gets no token.
#[derive(Debug, thiserror::Error)]
pub enum ClientCredentialsError {
    #[error(transparent)]
    Scope(#[from] ScopeNotGranted),
    #[error(transparent)]
    NoSigningKey(#[from] NoSigningKey),
}

impl Grants {
    /// Mints an access token of the client's own. The token grants the client's scope, or `wanted`,
    /// which must be a part of it.
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
}

/// Returns the audience of a client's own tokens. `None`: the audience of the setting AUDIENCE.
fn audience_of(client: &Client) -> Option<Audience> {
    let names: Vec<String> = client.audiences.split_whitespace().map(Into::into).collect();
    (!names.is_empty()).then(|| names.into())
}
