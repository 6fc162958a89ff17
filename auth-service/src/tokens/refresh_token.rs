//! Refresh tokens: JWTs that only auth-service reads, authenticated with its secret (HS256).
//!
//! Their `typ`, `token_type` and audience differ from those of an access token, so that no verifier
//! of access tokens accepts a refresh token.

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use shared::claims::{Scope, SessionId, TokenType};
use uuid::Uuid;

use super::session::Session;
use crate::domain::{compact_jws, refresh_decision::TokenGeneration, user_claims::UserClaims};

/// The header of every refresh token.
const HEADER: &str = r#"{"typ":"rt+jwt","alg":"HS256"}"#;

/// Maximum size of a refresh token. Issued tokens are far smaller, and a longer one is not parsed.
const MAX_BYTES: usize = 8 * 1024;

/// The claims of a refresh token. Times are seconds since the Unix epoch, except where a name ends
/// in `_ms`.
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
    /// Time of the rotation that created this token, by the clock of session state, in
    /// milliseconds. Zero for the token of a login.
    #[serde(rename = "rot")]
    pub rotated_at_ms: i64,
    /// Time of the login.
    pub auth_time: i64,
    /// Time at which the session ends, however often a client refreshes it.
    #[serde(rename = "session_exp")]
    pub session_ends_at: i64,
    pub preferred_username: String,
    pub scope: Scope,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    pub token_type: TokenType,
}

impl RefreshClaims {
    /// Returns the token's generation and its time of rotation, on which the refresh decision
    /// depends.
    pub fn token_generation(&self) -> TokenGeneration {
        TokenGeneration { generation: self.generation, rotated_at_ms: self.rotated_at_ms }
    }

    /// Returns the session that the token belongs to, as the token describes it.
    pub fn session(&self) -> Session {
        Session {
            sid: self.sid,
            user: UserClaims {
                sub: self.sub.clone(),
                username: self.preferred_username.clone(),
                scope: self.scope.clone(),
                roles: self.roles.clone(),
            },
            auth_time: self.auth_time,
            ends_at: self.session_ends_at,
        }
    }
}

/// Error returned for a refresh token that is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RefreshTokenError {
    /// The token is not one of this issuer's refresh tokens, or was tampered with.
    #[error("the refresh token is invalid")]
    Invalid,
    /// The token is authentic and has expired.
    #[error("the refresh token has expired")]
    Expired,
    /// The token's session has ended.
    #[error("the refresh token's session has ended")]
    Revoked,
}

/// The keys that authenticate refresh tokens. The first key mints; all keys verify.
pub struct RefreshTokenKeys {
    keys: Vec<hmac::Key>,
    issuer: String,
    encoded_header: String,
}

impl RefreshTokenKeys {
    pub fn new(keys: &[[u8; 32]], issuer: &str) -> Self {
        Self {
            keys: keys.iter().map(|key| hmac::Key::new(HMAC_SHA256, key)).collect(),
            issuer: issuer.to_owned(),
            encoded_header: compact_jws::encode_header(HEADER),
        }
    }

    /// Returns the token that contains `claims`.
    pub fn mint(&self, claims: &RefreshClaims) -> String {
        let payload = serde_json::to_vec(claims).expect("claims are strings and numbers");
        let sign = |input: &[u8]| hmac::sign(&self.keys[0], input);
        compact_jws::serialize(&self.encoded_header, &payload, sign)
    }

    /// Returns the claims of an authentic token, expired or not.
    ///
    /// # Errors
    /// [`RefreshTokenError::Invalid`].
    pub fn read(&self, token: &str) -> Result<RefreshClaims, RefreshTokenError> {
        let is_ours = |claims: &RefreshClaims| {
            let RefreshClaims { iss, aud, token_type, .. } = claims;
            *iss == self.issuer && *aud == self.issuer && *token_type == TokenType::Refresh
        };
        self.authenticate(token).filter(is_ours).ok_or(RefreshTokenError::Invalid)
    }

    /// Returns the claims of a token whose MAC one of the keys made (RFC 7515 section 5.2). The
    /// header must equal [`HEADER`] byte for byte, so the algorithm is fixed.
    fn authenticate(&self, token: &str) -> Option<RefreshClaims> {
        if token.len() > MAX_BYTES {
            return None;
        }
        let (signed, mac) = token.rsplit_once('.')?;
        let payload = signed.strip_prefix(&self.encoded_header)?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let is_made_by = |key| hmac::verify(key, signed.as_bytes(), &mac).is_ok();
        if !self.keys.iter().any(is_made_by) {
            return None;
        }
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()
    }
}
