//! Refresh tokens and cookies of sessions: JWTs that only auth-service reads, authenticated with its
//! secret (HS256).
//!
//! Their `typ`, `token_type` and audience differ from those of an access token, so that no verifier
//! of access tokens accepts one of them. Each kind has its own `typ`, so that none is accepted in
//! place of another.

#[expect(deprecated, reason = "the standard library's only keyed hash")]
use std::hash::{Hasher, SipHasher};

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use shared::claims::{Scope, SessionId, TokenType};
use uuid::Uuid;

use super::session::Session;
use crate::domain::{
    compact_jws,
    refresh_decision::TokenGeneration,
    session::{Origin, OriginHash},
    user_claims::UserClaims,
};

/// Maximum size of a token. Issued tokens are far smaller, and a longer one is not parsed.
const MAX_BYTES: usize = 8 * 1024;

/// Kind of a JWT that only auth-service reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A refresh token.
    Refresh,
    /// The cookie of a session.
    SessionCookie,
    /// The cookie of a device at which a user has logged in.
    DeviceCookie,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Refresh, Self::SessionCookie, Self::DeviceCookie];

    /// Returns the header of every token of this kind.
    const fn header(self) -> &'static str {
        match self {
            Self::Refresh => r#"{"typ":"rt+jwt","alg":"HS256"}"#,
            Self::SessionCookie => r#"{"typ":"session+jwt","alg":"HS256"}"#,
            Self::DeviceCookie => r#"{"typ":"device+jwt","alg":"HS256"}"#,
        }
    }
}

/// The claims of a refresh token, and of the cookie of a session. Times are seconds since the Unix epoch, except where a name ends
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
    /// Id of the user in the system from which the user was imported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    pub scope: Scope,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// The audiences that the login asked for. Missing: all audiences of a user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    pub token_type: TokenType,
    /// Position of the key that authenticated this token.
    #[serde(skip)]
    key: usize,
}

impl RefreshClaims {
    /// Returns the claims of a new token of `session`.
    pub fn new(
        issuer: &str,
        session: &Session,
        token: TokenGeneration,
        issued_at: i64,
        expires_at: i64,
    ) -> Self {
        Self {
            iss: issuer.to_owned(),
            aud: issuer.to_owned(),
            sub: session.user.sub.clone(),
            exp: expires_at,
            iat: issued_at,
            jti: Uuid::now_v7(),
            sid: session.sid,
            generation: token.generation,
            rotated_at_ms: token.rotated_at_ms,
            audiences: session.audiences.clone(),
            auth_time: session.auth_time,
            session_ends_at: session.ends_at,
            preferred_username: session.user.username.clone(),
            external_id: session.user.external_id.clone(),
            scope: session.user.scope.clone(),
            roles: session.user.roles.clone(),
            token_type: TokenType::Refresh,
            key: 0,
        }
    }

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
                external_id: self.external_id.clone(),
                scope: self.scope.clone(),
                roles: self.roles.clone(),
            },
            audiences: self.audiences.clone(),
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
    /// The token was exchanged for a newer one, with which its session goes on.
    #[error("the refresh token has been replaced by a newer one")]
    Superseded,
    /// The token was presented after it was exchanged for a newer one, which ends its session.
    #[error("the refresh token was used before, so its session has ended")]
    Reused,
    /// The token belongs to another user than the access token.
    #[error("the refresh token belongs to another user")]
    OtherUser,
    /// The token's session has ended.
    #[error("the refresh token's session has ended")]
    Revoked,
}

/// The claims of the cookie of a device.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeviceClaims {
    pub sub: String,
    /// Session of the user that began at the device.
    pub sid: SessionId,
}

/// The keys that authenticate refresh tokens and cookies. The first key mints; all keys verify.
pub struct RefreshTokenKeys {
    keys: Vec<hmac::Key>,
    /// For each key, the key with which origins are hashed.
    origin_keys: Vec<[u64; 2]>,
    issuer: String,
    /// Encoded header of each kind, in the order of [`Kind::ALL`].
    encoded_headers: [String; 3],
}

impl RefreshTokenKeys {
    pub fn new(keys: &[[u8; 32]], issuer: &str) -> Self {
        let keys: Vec<_> = keys.iter().map(|key| hmac::Key::new(HMAC_SHA256, key)).collect();
        Self {
            origin_keys: keys.iter().map(origin_key).collect(),
            keys,
            issuer: issuer.to_owned(),
            encoded_headers: Kind::ALL.map(|kind| compact_jws::encode_header(kind.header())),
        }
    }

    /// Returns the token of this kind that contains `claims`.
    pub fn mint(&self, kind: Kind, claims: &impl Serialize) -> String {
        let payload = serde_json::to_vec(claims).expect("claims are strings and numbers");
        let sign = |input: &[u8]| hmac::sign(&self.keys[0], input);
        compact_jws::serialize(&self.encoded_headers[kind as usize], &payload, sign)
    }

    /// Returns the claims of an authentic refresh token or session cookie, expired or not.
    ///
    /// # Errors
    /// [`RefreshTokenError::Invalid`].
    pub fn read(&self, kind: Kind, token: &str) -> Result<RefreshClaims, RefreshTokenError> {
        let is_ours = |claims: &RefreshClaims| {
            let RefreshClaims { iss, aud, token_type, .. } = claims;
            *iss == self.issuer && *aud == self.issuer && *token_type == TokenType::Refresh
        };
        let claims = self.authenticate::<RefreshClaims>(kind, token);
        let claims = claims.map(|(key, claims)| RefreshClaims { key, ..claims });
        claims.filter(is_ours).ok_or(RefreshTokenError::Invalid)
    }

    /// Returns the claims of an authentic cookie of a device.
    pub fn read_device(&self, token: &str) -> Option<DeviceClaims> {
        self.authenticate(Kind::DeviceCookie, token).map(|(_, claims)| claims)
    }

    /// Returns the claims of a token whose MAC one of the keys made (RFC 7515 section 5.2), and the
    /// position of that key. The header must equal that of the kind byte for byte, so the algorithm
    /// is fixed.
    fn authenticate<T: DeserializeOwned>(&self, kind: Kind, token: &str) -> Option<(usize, T)> {
        if token.len() > MAX_BYTES {
            return None;
        }
        let (signed, mac) = token.rsplit_once('.')?;
        let payload = signed.strip_prefix(&self.encoded_headers[kind as usize])?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        let is_made_by = |key| hmac::verify(key, signed.as_bytes(), &mac).is_ok();
        let key = self.keys.iter().position(is_made_by)?;
        let claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        Some((key, claims))
    }

    /// Returns the hash of the origin of a request that presents this token. It depends on a secret
    /// key, so that a thief cannot choose a user agent with the hash of the owner's origin. The key
    /// belongs to the key that authenticated the token, so that all replicas use the same one while
    /// the secret is rotated.
    pub fn origin_hash(&self, presented: &RefreshClaims, origin: &Origin) -> OriginHash {
        let [first, second] = self.origin_keys[presented.key];
        #[expect(deprecated, reason = "the standard library's only keyed hash")]
        let mut hasher = SipHasher::new_with_keys(first, second);
        hasher.write(&origin.network());
        hasher.write(origin.user_agent.as_deref().unwrap_or_default().as_bytes());
        // Zero stands for an unknown origin.
        OriginHash::from_bits((hasher.finish() as u32).max(1))
    }
}

/// Derives the key with which origins are hashed.
fn origin_key(key: &hmac::Key) -> [u64; 2] {
    let derived = hmac::sign(key, b"auth-service origins");
    let (words, _) = derived.as_ref().as_chunks::<8>();
    [u64::from_le_bytes(words[0]), u64::from_le_bytes(words[1])]
}
