//! Tokens: minting both kinds, reading the refresh token. Who may have one is decided elsewhere.

pub mod any_token;
pub mod compact;
mod refresh_token;

use std::sync::Arc;

use serde::Serialize;
use shared::{
    claims::{AccessClaims, Audience, Scope, SessionId, TokenType},
    clock::Clock,
    keys::JwkSet,
};
use utoipa::ToSchema;
use uuid::Uuid;

use self::refresh_token::RefreshKeys;
pub use self::refresh_token::{RefreshClaims, RefreshError};
use crate::{
    config::Settings,
    domain::{client::FIRST_PARTY, generation::TokenGeneration},
    http::error::ApiError,
    keys::{
        secret::Secret,
        signing_keys::{Key, SigningKeys},
    },
    store::users::User,
};

/// A session as its tokens describe it.
#[derive(Clone, Debug)]
pub struct Session {
    pub sid: SessionId,
    /// The user's id.
    pub sub: String,
    pub username: String,
    pub scope: Scope,
    pub roles: Vec<String>,
    /// When the login took place, in seconds since the Unix epoch.
    pub auth_time: i64,
    /// When the session ends, however often it is refreshed, in seconds since the Unix epoch. Fixed at the login, as it
    /// is in the database, whatever becomes of the setting.
    pub ends_at: i64,
}

impl Session {
    /// This user's. Times are seconds since the Unix epoch.
    pub fn of(user: &User, sid: SessionId, auth_time: i64, ends_at: i64) -> Self {
        Self {
            sid,
            sub: user.id.to_string(),
            username: user.username.clone(),
            scope: user.scope.clone().into(),
            roles: user.roles.split_whitespace().map(Into::into).collect(),
            auth_time,
            ends_at,
        }
    }

    /// The session, with the name, scopes and roles that its user has now.
    pub fn with_claims_of(&self, user: &User) -> Self {
        Self::of(user, self.sid, self.auth_time, self.ends_at)
    }
}

/// Access token and refresh token of a session.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TokenPair {
    pub access: String,
    pub refresh: String,
    /// How long the access token lives, in seconds.
    #[serde(skip)]
    pub access_secs: i64,
}

/// Mints tokens.
pub struct Tokens {
    issuer: String,
    audience: Audience,
    access_secs: i64,
    refresh_secs: i64,
    session_secs: i64,
    clock: Clock,
    signing_keys: Arc<SigningKeys>,
    refresh: RefreshKeys,
}

impl Tokens {
    /// Mints as the settings say, with these keys.
    pub fn new(settings: &Settings, secret: &Secret, signing_keys: Arc<SigningKeys>, clock: Clock) -> Self {
        let issuer = settings.issuer();
        Self {
            audience: settings.audience.clone().into(),
            access_secs: settings.access_token_lifetime.as_secs() as i64,
            refresh_secs: settings.refresh_token_lifetime.as_secs() as i64,
            session_secs: settings.session_lifetime.as_secs() as i64,
            clock,
            signing_keys,
            refresh: RefreshKeys::new(secret.refresh(), &issuer),
            issuer,
        }
    }

    /// The public keys that verify these tokens.
    pub fn jwks(&self) -> JwkSet {
        JwkSet { keys: self.signing_keys.published() }
    }

    /// When a session that begins now ends, however often it is refreshed, in seconds since the Unix epoch.
    pub fn session_end(&self) -> i64 {
        self.clock.now_secs() + self.session_secs
    }

    /// When a refresh token minted now would expire, in seconds since the Unix epoch.
    pub fn refresh_expiry(&self, session: &Session) -> i64 {
        (self.clock.now_secs() + self.refresh_secs).min(session.ends_at)
    }

    /// How long an access token lives, in seconds.
    pub fn access_lifetime_secs(&self) -> i64 {
        self.access_secs
    }

    /// What mints tokens now. Asked for before anything is decided for which there would then be no token.
    ///
    /// # Errors
    /// [`ApiError::Unavailable`], while the keys have not been read yet.
    pub fn minter(&self) -> Result<Minter<'_>, ApiError> {
        let key = self.signing_keys.current().ok_or(ApiError::Unavailable)?;
        Ok(Minter { tokens: self, key })
    }

    /// What a refresh token says, if it is authentic and alive. Whether its session is, the blacklist knows.
    pub fn read_refresh(&self, token: &str) -> Result<RefreshClaims, RefreshError> {
        let claims = self.refresh.read(token)?;
        if claims.exp <= self.clock.now_secs() { Err(RefreshError::Expired) } else { Ok(claims) }
    }
}

/// Mints tokens with the key that is current.
pub struct Minter<'a> {
    tokens: &'a Tokens,
    key: Arc<Key>,
}

impl Minter<'_> {
    /// A new pair for `session`. The access token grants `scope`, which is all or part of the session's. The refresh token
    /// is of this generation and expires then, which is not asked of the clock anew: the blacklist keeps the session's
    /// entry until just that time.
    pub fn pair(
        &self,
        session: &Session,
        scope: Scope,
        generation: TokenGeneration,
        refresh_expires_at: i64,
    ) -> TokenPair {
        let access = AccessClaims {
            client_id: Some(FIRST_PARTY.into()),
            // No access token outlives its session.
            exp: session.ends_at.min(self.tokens.clock.now_secs() + self.tokens.access_secs),
            preferred_username: Some(session.username.clone()),
            roles: session.roles.clone(),
            ..self.claims(session.sub.clone(), session.sid, scope)
        };
        TokenPair {
            access: self.sign(&access),
            refresh: self.refresh(session, generation, refresh_expires_at),
            access_secs: access.exp - access.iat,
        }
    }

    /// An access token for a client of its own right (RFC 6749 section 4.4): its own subject (RFC 9068 section 2.2), in
    /// a session that has no other token.
    pub fn for_client(&self, client_id: String, scope: Scope) -> String {
        let claims = self.claims(client_id.clone(), SessionId::generate(), scope);
        self.sign(&AccessClaims { client_id: Some(client_id), ..claims })
    }

    fn claims(&self, sub: String, sid: SessionId, scope: Scope) -> AccessClaims {
        let now = self.tokens.clock.now_secs();
        AccessClaims {
            iss: self.tokens.issuer.clone(),
            sub,
            aud: self.tokens.audience.clone(),
            exp: now + self.tokens.access_secs,
            iat: now,
            nbf: None,
            jti: Uuid::now_v7(),
            sid,
            scope,
            roles: Vec::new(),
            preferred_username: None,
            client_id: None,
            token_type: TokenType::Access,
        }
    }

    fn refresh(&self, session: &Session, generation: TokenGeneration, expires_at: i64) -> String {
        let Tokens { issuer, clock, refresh, .. } = self.tokens;
        refresh.mint(&RefreshClaims {
            iss: issuer.clone(),
            aud: issuer.clone(),
            sub: session.sub.clone(),
            exp: expires_at,
            iat: clock.now_secs(),
            jti: Uuid::now_v7(),
            sid: session.sid,
            generation: generation.generation,
            rotated_at_ms: generation.rotated_at_ms,
            auth_time: session.auth_time,
            session_ends_at: session.ends_at,
            preferred_username: session.username.clone(),
            scope: session.scope.clone(),
            roles: session.roles.clone(),
            token_type: TokenType::Refresh,
        })
    }

    fn sign(&self, claims: &AccessClaims) -> String {
        self.key.sign(&serde_json::to_vec(claims).expect("claims are strings and numbers"))
    }
}
