//! The service that mints and reads tokens.

use std::{sync::Arc, time::Duration};

use shared::{Verifier, clock::Clock};

use super::{
    minter::{Minter, TokenTemplate},
    refresh_token::{RefreshClaims, RefreshTokenError, RefreshTokenKeys},
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

/// Mints and reads tokens.
pub struct Tokens {
    template: TokenTemplate,
    refresh_secs: i64,
    session_secs: i64,
    clock: Clock,
    signing_keys: Arc<SigningKeys>,
    pub(super) verifier: Verifier,
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
        let refresh_keys = RefreshTokenKeys::new(secret.refresh_token_keys(), &settings.issuer);
        Self {
            template: TokenTemplate {
                issuer: settings.issuer,
                audience: settings.audience.into(),
                access_secs: settings.access_lifetime.as_secs() as i64,
                clock: clock.clone(),
                refresh_keys,
            },
            refresh_secs: settings.refresh_lifetime.as_secs() as i64,
            session_secs: settings.session_lifetime.as_secs() as i64,
            clock,
            signing_keys,
            verifier,
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
        self.template.access_secs
    }

    /// Returns a minter that signs with the current key. A use case calls this before it changes
    /// anything, so that no change happens for which no token can be minted.
    ///
    /// # Errors
    /// [`NoSigningKey`], if the keys have not been read yet.
    pub fn minter(&self) -> Result<Minter<'_>, NoSigningKey> {
        let key = self.signing_keys.current().ok_or(NoSigningKey)?;
        Ok(Minter::new(&self.template, key))
    }

    /// Returns the claims of a refresh token that is authentic and has not expired. Session state
    /// decides whether the token's session has ended.
    ///
    /// # Errors
    /// [`RefreshTokenError::Invalid`] or [`RefreshTokenError::Expired`].
    pub fn read_refresh(&self, token: &str) -> Result<RefreshClaims, RefreshTokenError> {
        let claims = self.template.refresh_keys.read(token)?;
        if claims.exp <= self.clock.now_secs() {
            return Err(RefreshTokenError::Expired);
        }
        Ok(claims)
    }
}
