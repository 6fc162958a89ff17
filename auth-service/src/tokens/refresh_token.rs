//! Refresh tokens: JWTs that only auth-service ever reads, so a secret authenticates them (HS256). Their own `typ`,
//! `token_type` and audience keep every verifier of access tokens from accepting one.

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use shared::claims::{Scope, SessionId, TokenType};
use uuid::Uuid;

use super::Session;
use crate::{domain::generation::Presented, error::ApiError};

const TYP: &str = "rt+jwt";

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
    pub fn presented(&self) -> Presented {
        Presented { generation: self.generation, rotated_at_ms: self.rotated_at_ms }
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
    encoding: EncodingKey,
    decoding: Vec<DecodingKey>,
    header: Header,
    validation: Validation,
}

impl RefreshKeys {
    pub fn new(keys: &[[u8; 32]], issuer: &str) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[issuer]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        // Checked by the clock that was passed in.
        validation.validate_exp = false;
        Self {
            encoding: EncodingKey::from_secret(&keys[0]),
            decoding: keys.iter().map(|key| DecodingKey::from_secret(key)).collect(),
            header: Header { typ: Some(TYP.into()), ..Header::new(Algorithm::HS256) },
            validation,
        }
    }

    pub fn mint(&self, claims: &RefreshClaims) -> String {
        jsonwebtoken::encode(&self.header, claims, &self.encoding).expect("claims are strings and numbers")
    }

    pub fn read(&self, token: &str) -> Result<RefreshClaims, RefreshError> {
        if token.len() > MAX_BYTES {
            return Err(RefreshError::Invalid);
        }
        let decode = |key| jsonwebtoken::decode::<RefreshClaims>(token, key, &self.validation).ok();
        let read = self.decoding.iter().find_map(decode).ok_or(RefreshError::Invalid)?;
        // Ours have these three parameters and no others.
        if read.header != self.header || read.claims.token_type != TokenType::Refresh {
            return Err(RefreshError::Invalid);
        }
        Ok(read.claims)
    }
}
