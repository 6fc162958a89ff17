//! Tokens: minting both kinds, reading the refresh token. Who may have one is decided elsewhere.

pub mod keys;
mod refresh_token;
mod signing_key;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use shared::{
    claims::{ACCESS_TOKEN_TYP, AccessClaims, Audience, Scope, SessionId, TokenType},
    clock::Clock,
    keys::JwkSet,
};
use uuid::Uuid;

pub use self::{
    keys::Keys,
    refresh_token::{RefreshClaims, RefreshError},
};
use self::{refresh_token::RefreshKey, signing_key::SigningKey};
use crate::{config::Settings, domain::generation::Presented, store::users::User};

/// A session as its tokens describe it.
#[derive(Clone, Debug)]
pub struct Session {
    pub sid: SessionId,
    /// The user's id.
    pub sub: String,
    pub scope: Scope,
    pub roles: Vec<String>,
    /// When the login took place, in seconds since the Unix epoch.
    pub auth_time: i64,
    /// When the session ends, however often it is refreshed, in seconds since the Unix epoch. Fixed at the login, as it
    /// is in the database, whatever becomes of the setting.
    pub ends_at: i64,
}

impl Session {
    /// The session, with the scopes and roles that its user has now.
    pub fn with_claims_of(self, user: User) -> Self {
        let roles = user.roles.split_whitespace().map(Into::into).collect();
        Self { scope: user.scope.into(), roles, ..self }
    }
}

/// What a client gets. Never printed.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct TokenPair {
    pub access: String,
    pub refresh: String,
}

/// Mints tokens. The keys are parsed once and kept.
pub struct Tokens {
    issuer: String,
    audience: Audience,
    access_secs: i64,
    refresh_secs: i64,
    session_secs: i64,
    clock: Clock,
    signing: SigningKey,
    /// The header of every access token, encoded, with the dot that follows.
    access_header: String,
    refresh: RefreshKey,
    jwks: JwkSet,
}

impl Tokens {
    /// Mints as the settings say, with these keys.
    pub fn new(settings: &Settings, keys: Keys, clock: Clock) -> Self {
        let Keys { signing, refresh_secret } = keys;
        let header = serde_json::json!({"alg": signing.algorithm().name(), "typ": ACCESS_TOKEN_TYP, "kid": signing.kid()});
        let issuer = settings.issuer();
        Self {
            audience: settings.audience.clone().into(),
            access_secs: settings.access_token_lifetime.as_secs() as i64,
            refresh_secs: settings.refresh_token_lifetime.as_secs() as i64,
            session_secs: settings.session_lifetime.as_secs() as i64,
            clock,
            access_header: URL_SAFE_NO_PAD.encode(header.to_string()) + ".",
            refresh: RefreshKey::new(&refresh_secret, &issuer),
            jwks: JwkSet { keys: vec![signing.jwk()] },
            signing,
            issuer,
        }
    }

    /// The id of the key that signs.
    pub fn kid(&self) -> &str {
        self.signing.kid()
    }

    /// The public keys that verify these tokens.
    pub fn jwks(&self) -> &JwkSet {
        &self.jwks
    }

    /// When a session that begins now ends, however often it is refreshed, in seconds since the Unix epoch.
    pub fn session_end(&self) -> i64 {
        self.clock.now_secs() + self.session_secs
    }

    /// When a refresh token minted now would expire, in seconds since the Unix epoch.
    pub fn refresh_expiry(&self, session: &Session) -> i64 {
        (self.clock.now_secs() + self.refresh_secs).min(session.ends_at)
    }

    /// A new pair for `session`, whose refresh token is of this generation and expires then, which is not asked of the
    /// clock anew: the blacklist keeps the session's entry until just that time.
    pub fn mint(&self, session: &Session, generation: Presented, refresh_expires_at: i64) -> TokenPair {
        let now = self.clock.now_secs();
        let access = AccessClaims {
            iss: self.issuer.clone(),
            sub: session.sub.clone(),
            aud: self.audience.clone(),
            exp: now + self.access_secs,
            iat: now,
            nbf: None,
            jti: Uuid::now_v7(),
            sid: session.sid,
            scope: session.scope.clone(),
            roles: session.roles.clone(),
            token_type: TokenType::Access,
        };
        let refresh = RefreshClaims {
            iss: self.issuer.clone(),
            aud: self.issuer.clone(),
            sub: session.sub.clone(),
            exp: refresh_expires_at,
            iat: now,
            jti: Uuid::now_v7(),
            sid: session.sid,
            generation: generation.generation,
            rotated_at_ms: generation.rotated_at_ms,
            auth_time: session.auth_time,
            session_ends_at: session.ends_at,
            scope: session.scope.clone(),
            roles: session.roles.clone(),
            token_type: TokenType::Refresh,
        };
        TokenPair { access: self.sign(&access), refresh: self.refresh.mint(&refresh) }
    }

    /// What a refresh token says, if it is authentic and alive. Whether its session is, the blacklist knows.
    pub fn read_refresh(&self, token: &str) -> Result<RefreshClaims, RefreshError> {
        let claims = self.refresh.read(token)?;
        if claims.exp <= self.clock.now_secs() { Err(RefreshError::Expired) } else { Ok(claims) }
    }

    fn sign(&self, claims: &AccessClaims) -> String {
        let mut token = self.access_header.clone();
        let json = serde_json::to_vec(claims).expect("claims are strings and numbers");
        URL_SAFE_NO_PAD.encode_string(json, &mut token);
        let signature = self.signing.sign(token.as_bytes());
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        token
    }
}
