//! Refresh tokens: JWTs that only auth-service ever reads, so a secret authenticates them (HS256). Their own `typ`,
//! `token_type` and audience keep every verifier of access tokens from accepting one.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use shared::claims::{Scope, SessionId, TokenType};
use uuid::Uuid;

use super::{Session, compact};
use crate::{domain::generation::TokenGeneration, http::error::ApiError};

/// The header of all of them.
const HEADER: &str = r#"{"typ":"rt+jwt","alg":"HS256"}"#;

/// No token of ours is near it; whatever is longer is refused unread.
const MAX_BYTES: usize = 8 * 1024;

/// What a refresh token says. Times are seconds since the Unix epoch, unless they say otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RefreshClaims {
    pub iss: String,
    pub aud: String,
    pub sub: String,
    pub exp: i64,
    pub iat: i64,
    pub jti: Uuid,
    pub sid: SessionId,
    #[serde(rename = "gen")]
    pub generation: u64,
    /// When the rotation that made it took place, by the blacklist's clock, in milliseconds.
    #[serde(rename = "rot")]
    pub rotated_at_ms: i64,
    /// When the login took place.
    pub auth_time: i64,
    /// When the session ends, however often it is refreshed.
    #[serde(rename = "session_exp")]
    pub session_ends_at: i64,
    pub preferred_username: String,
    pub scope: Scope,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    pub token_type: TokenType,
}

impl RefreshClaims {
    /// What the refresh decision needs.
    pub fn presented(&self) -> TokenGeneration {
        TokenGeneration { generation: self.generation, rotated_at_ms: self.rotated_at_ms }
    }

    /// The session it belongs to.
    pub fn session(&self) -> Session {
        Session {
            sid: self.sid,
            sub: self.sub.clone(),
            username: self.preferred_username.clone(),
            scope: self.scope.clone(),
            roles: self.roles.clone(),
            auth_time: self.auth_time,
            ends_at: self.session_ends_at,
        }
    }
}

/// Why a refresh token is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshError {
    /// Not a refresh token of ours, or tampered with.
    Invalid,
    /// Authentic, but too old.
    Expired,
    /// Its session has ended.
    Revoked,
}

impl From<RefreshError> for ApiError {
    fn from(error: RefreshError) -> Self {
        Self::RefreshToken(match error {
            RefreshError::Invalid => "The refresh token is invalid.",
            RefreshError::Expired => "The refresh token has expired.",
            RefreshError::Revoked => "The refresh token's session has ended.",
        })
    }
}

/// The keys that authenticate refresh tokens: the first mints, all read.
pub struct RefreshKeys {
    keys: Vec<hmac::Key>,
    issuer: String,
    /// What every token begins with.
    start: String,
}

impl RefreshKeys {
    pub fn new(keys: &[[u8; 32]], issuer: &str) -> Self {
        Self {
            keys: keys.iter().map(|key| hmac::Key::new(HMAC_SHA256, key)).collect(),
            issuer: issuer.to_owned(),
            start: compact::start(HEADER),
        }
    }

    pub fn mint(&self, claims: &RefreshClaims) -> String {
        let claims = serde_json::to_vec(claims).expect("claims are strings and numbers");
        compact::token(&self.start, &claims, |signed| hmac::sign(&self.keys[0], signed))
    }

    pub fn read(&self, token: &str) -> Result<RefreshClaims, RefreshError> {
        let is_ours = |claims: &RefreshClaims| {
            let RefreshClaims { iss, aud, token_type, .. } = claims;
            *iss == self.issuer && *aud == self.issuer && *token_type == TokenType::Refresh
        };
        self.authentic(token).filter(is_ours).ok_or(RefreshError::Invalid)
    }

    /// What it says, if one of the keys made its MAC (RFC 7515 section 5.2). The header is ours to the last byte.
    fn authentic(&self, token: &str) -> Option<RefreshClaims> {
        if token.len() > MAX_BYTES {
            return None;
        }
        let (signed, mac) = token.rsplit_once('.')?;
        let claims = signed.strip_prefix(&self.start)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let is_made_by = |key| hmac::verify(key, signed.as_bytes(), &mac).is_ok();
        if !self.keys.iter().any(is_made_by) {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}
