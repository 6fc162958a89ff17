//! Tokens: minting and reading access and refresh tokens.
//!
//! This module does not decide which caller may have a token, nor whether a session has ended.

mod any_token;
mod minter;
mod refresh_token;
mod session;

use std::{sync::Arc, time::Duration};

use serde::Serialize;
use shared::{Verifier, claims::Audience, clock::Clock};
use utoipa::ToSchema;

use self::refresh_token::RefreshTokenKeys;
pub use self::{
    any_token::{AnyToken, TokenErrors},
    minter::Minter,
    refresh_token::{RefreshClaims, RefreshTokenError},
    session::Session,
};
use crate::keys::{Secret, SigningKeys};

/// What tokens contain, and how long they live.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    pub issuer: String,
    pub audience: Vec<String>,
    pub access_lifetime: Duration,
    /// Maximum time between two refreshes of a session.
    pub refresh_lifetime: Duration,
    /// Maximum time between a login and the end of its session.
    pub session_lifetime: Duration,
}

/// Error returned while no signing key has been read from the database yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no signing key is loaded yet")]
pub struct NoSigningKey;

/// The two tokens that a client receives. `Debug` is not implemented, so logs cannot contain them.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenPair {
    pub access: String,
    pub refresh: String,
    /// Lifetime of the access token in seconds.
    #[serde(skip)]
    pub access_lifetime_secs: i64,
}

/// Mints and reads tokens.
pub struct Tokens {
    issuer: String,
    audience: Audience,
    access_secs: i64,
    refresh_secs: i64,
    session_secs: i64,
    clock: Clock,
    signing_keys: Arc<SigningKeys>,
    verifier: Verifier,
    refresh_keys: RefreshTokenKeys,
}

impl Tokens {
    /// `verifier` reads access tokens, and must accept those of `settings`.
    pub fn new(
        settings: TokenSettings,
        secret: &Secret,
        signing_keys: Arc<SigningKeys>,
        verifier: Verifier,
        clock: Clock,
    ) -> Self {
        Self {
            audience: settings.audience.into(),
            access_secs: settings.access_lifetime.as_secs() as i64,
            refresh_secs: settings.refresh_lifetime.as_secs() as i64,
            session_secs: settings.session_lifetime.as_secs() as i64,
            clock,
            signing_keys,
            verifier,
            refresh_keys: RefreshTokenKeys::new(secret.refresh_token_keys(), &settings.issuer),
            issuer: settings.issuer,
        }
    }

    /// Returns the end of a session that starts now, in seconds since the Unix epoch.
    pub fn session_end(&self) -> i64 {
        self.clock.now_secs() + self.session_secs
    }

    /// Returns the expiry of a refresh token that is minted now, in seconds since the Unix epoch.
    pub fn refresh_expiry(&self, session: &Session) -> i64 {
        (self.clock.now_secs() + self.refresh_secs).min(session.ends_at)
    }

    /// Returns the lifetime of an access token in seconds.
    pub fn access_lifetime_secs(&self) -> i64 {
        self.access_secs
    }

    /// Returns a minter that signs with the current key. A use case calls this before it changes
    /// anything, so that no change happens for which no token can be minted.
    ///
    /// # Errors
    /// [`NoSigningKey`], if the keys have not been read yet.
    pub fn minter(&self) -> Result<Minter<'_>, NoSigningKey> {
        let key = self.signing_keys.current().ok_or(NoSigningKey)?;
        Ok(Minter::new(self, key))
    }

    /// Returns the claims of a refresh token that is authentic and has not expired. Session state
    /// decides whether the token's session has ended.
    ///
    /// # Errors
    /// [`RefreshTokenError::Invalid`] or [`RefreshTokenError::Expired`].
    pub fn read_refresh(&self, token: &str) -> Result<RefreshClaims, RefreshTokenError> {
        let claims = self.refresh_keys.read(token)?;
        if claims.exp <= self.clock.now_secs() {
            return Err(RefreshTokenError::Expired);
        }
        Ok(claims)
    }
}
