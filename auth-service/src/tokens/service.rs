//! The service that mints and reads tokens.

use std::{sync::Arc, time::Duration};

use shared::{
    Verifier,
    claims::{AccessClaims, Audience, SessionId},
    clock::Clock,
};

use super::{
    minter::{Grant, Minter, SessionCookie, TokenTemplate},
    refresh_token::{DeviceClaims, Kind, RefreshClaims, RefreshTokenError, RefreshTokenKeys},
    session::Session,
};
use crate::{
    domain::{
        audience::{AudienceNotGranted, narrow},
        session::{Origin, OriginHash},
    },
    keys::{Secret, SigningKeys},
};

/// What tokens contain, and how long they live.
#[derive(Clone, Debug)]
pub struct TokenSettings {
    pub issuer: String,
    pub audience: Vec<String>,
    /// Whether access tokens state the user's id in the earlier system.
    pub states_external_id: bool,
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
    signing_keys: Arc<SigningKeys>,
    pub(super) verifier: Verifier,
}

impl Tokens {
    /// `verifier` reads access tokens, and must accept those of `settings`, for every audience.
    pub fn new(
        settings: TokenSettings,
        secret: &Secret,
        signing_keys: Arc<SigningKeys>,
        verifier: Verifier,
        clock: Clock,
    ) -> Self {
        let refresh_keys = RefreshTokenKeys::new(secret.refresh_token_keys(), &settings.issuer);
        let mut user_audiences = settings.audience.clone();
        if !user_audiences.contains(&settings.issuer) {
            user_audiences.push(settings.issuer.clone());
        }
        Self {
            template: TokenTemplate {
                issuer: settings.issuer,
                service_audiences: settings.audience,
                user_audiences,
                states_external_id: settings.states_external_id,
                access_secs: settings.access_lifetime.as_secs() as i64,
                clock,
                refresh_keys,
            },
            refresh_secs: settings.refresh_lifetime.as_secs() as i64,
            session_secs: settings.session_lifetime.as_secs() as i64,
            signing_keys,
            verifier,
        }
    }

    /// Returns the end of a session that starts now, in seconds since the Unix epoch.
    pub fn session_end(&self) -> i64 {
        self.template.clock.now_secs() + self.session_secs
    }

    /// Returns the expiry of a refresh token that is minted now, in seconds since the Unix epoch.
    pub fn refresh_expiry(&self, session: &Session) -> i64 {
        (self.template.clock.now_secs() + self.refresh_secs).min(session.ends_at)
    }

    /// Returns the audience of a user's access token. `session`: the audiences that the login asked
    /// for, of which those that have left the settings are left out. `wanted`: the part of them that
    /// the token is for. Empty lists ask for everything.
    ///
    /// # Errors
    /// [`AudienceNotGranted`].
    pub fn user_audience(
        &self,
        session: &[String],
        wanted: &[String],
    ) -> Result<Audience, AudienceNotGranted> {
        let all = &self.template.user_audiences;
        let is_granted = |name: &&String| session.is_empty() || session.contains(name);
        let granted: Vec<String> = all.iter().filter(is_granted).cloned().collect();
        narrow(&granted, wanted)
    }

    /// Returns the audiences of a client's access token, unless the client has others: those of the
    /// setting AUDIENCE.
    pub fn service_audiences(&self) -> &[String] {
        &self.template.service_audiences
    }

    /// Returns whether one of the audiences is an audience of users' tokens. A client may have others
    /// in its own tokens.
    pub fn is_for_users(&self, audience: &Audience) -> bool {
        self.template.user_audiences.iter().any(|name| audience.contains(name))
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

    /// Returns the user and the session of an authentic refresh token or cookie, expired or not.
    pub(super) fn read_expired(&self, token: &str) -> Option<(String, SessionId)> {
        let keys = &self.template.refresh_keys;
        let of_session = |kind| keys.read(kind, token).ok().map(|claims| (claims.sub, claims.sid));
        let of_device = || keys.read_device(token).map(|DeviceClaims { sub, sid }| (sub, sid));
        of_session(Kind::Refresh).or_else(|| of_session(Kind::SessionCookie)).or_else(of_device)
    }

    /// Returns the hash of the origin of a request that presents a refresh token.
    pub fn origin_hash(&self, presented: &RefreshClaims, origin: &Origin) -> OriginHash {
        self.template.refresh_keys.origin_hash(presented, origin)
    }

    /// Returns the claims of a refresh token that is authentic and has not expired. Session state
    /// decides whether the token's session has ended.
    ///
    /// # Errors
    /// [`RefreshTokenError::Invalid`] or [`RefreshTokenError::Expired`].
    pub fn read_refresh(&self, token: &str) -> Result<RefreshClaims, RefreshTokenError> {
        self.read_live(Kind::Refresh, token)
    }

    /// Returns the claims of the cookie of a session, as [`Tokens::read_refresh`] does.
    ///
    /// # Errors
    /// [`RefreshTokenError::Invalid`] or [`RefreshTokenError::Expired`].
    pub fn read_cookie(&self, cookie: &str) -> Result<RefreshClaims, RefreshTokenError> {
        self.read_live(Kind::SessionCookie, cookie)
    }

    fn read_live(&self, kind: Kind, token: &str) -> Result<RefreshClaims, RefreshTokenError> {
        let claims = self.template.refresh_keys.read(kind, token)?;
        if claims.exp <= self.template.clock.now_secs() {
            return Err(RefreshTokenError::Expired);
        }
        Ok(claims)
    }

    /// Mints the cookie that takes the place of the cookie with the claims `presented`.
    pub fn renew_cookie(
        &self,
        session: &Session,
        presented: &RefreshClaims,
        expires_at: i64,
    ) -> SessionCookie {
        self.template.cookie(session, presented.token_generation(), expires_at)
    }

    /// Mints the cookie of a device at which a user has begun this session.
    pub fn device_cookie(&self, sub: &str, sid: SessionId) -> String {
        let claims = DeviceClaims { sub: sub.to_owned(), sid };
        self.template.refresh_keys.mint(Kind::DeviceCookie, &claims)
    }

    /// Returns the claims of a request that a session's cookie authenticates: those of an access
    /// token of the session, for all its audiences.
    pub fn claims_of_cookie(&self, session: &Session) -> AccessClaims {
        // Without a wanted audience, none is refused.
        let audience = self.user_audience(&session.audiences, &[]);
        let audience = audience.unwrap_or_else(|_| Audience::Many(Vec::new()));
        let grant = Grant { scope: session.user.scope.clone(), audience };
        self.template.claims_of_user(session, grant, self.template.access_secs)
    }
}
