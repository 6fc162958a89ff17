//! A client gets an access token of its own (RFC 6749 section 4.4).

use shared::claims::Scope;

use super::{clients::Client, grants::Grants};
use crate::{
    domain::{
        audience::{self, AudienceNotGranted},
        scope::{self, ScopeNotGranted},
    },
    sessions::Wanted,
    tokens::{Grant, NoSigningKey},
};

/// A client's own access token.
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
    Audience(#[from] AudienceNotGranted),
    #[error(transparent)]
    NoSigningKey(#[from] NoSigningKey),
}

impl Grants {
    /// Mints an access token for the client itself. The token grants the client's scope, for the
    /// client's audiences, or `wanted`, which must be a part of both.
    ///
    /// # Errors
    /// [`ClientCredentialsError`].
    pub fn client_credentials(
        &self,
        client: &Client,
        wanted: &Wanted,
    ) -> Result<ClientToken, ClientCredentialsError> {
        let scope = scope::narrow(&client.scope.clone().into(), wanted.scope.as_ref())?;
        let allowed = self.audiences_of(client);
        let audience = audience::narrow(&allowed, &wanted.audiences)?;
        let minter = self.tokens.minter()?;
        let grant = Grant { scope: scope.clone(), audience };
        let access = minter.for_client(client.id.as_str().into(), grant);
        Ok(ClientToken { access, expires_in: minter.access_secs(), scope })
    }

    /// Returns the audiences that the client's own tokens may be for.
    fn audiences_of(&self, client: &Client) -> Vec<String> {
        match client.audiences.as_str() {
            "" => self.tokens.service_audiences().to_vec(),
            names => names.split_whitespace().map(Into::into).collect(),
        }
    }
}
