//! [`Verifier`]: decides whether to trust an access token (RFC 8725, RFC 9068 section 4).
//!
//! | module | content |
//! |---|---|
//! | `builder` | the settings of a verifier, and their defaults |
//! | `key_store` | the verifier's keys, given or fetched |
//! | `jws` | the parts of a token, their encoding, the signature |
//! | `header` | the checks of the header |
//! | `checks` | the checks of the claims |

mod builder;
mod checks;
mod header;
mod jws;
mod key_store;

use std::sync::{Arc, Weak};

use quick_cache::sync::Cache;

pub use self::builder::VerifierBuilder;
use self::{
    checks::ClaimChecks,
    header::Header,
    jws::{Jws, parse_object},
    key_store::KeyStore,
};
use crate::{
    FetchError, VerifyError,
    claims::AccessClaims,
    clock::Clock,
    keys::{JwkSet, KeySet, KeySource},
    revocations::{FeedState, Revocations},
};

/// Maximum size of a token. A longer token is refused unread.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Verifies access tokens of one issuer for one or more audiences. Clones share keys, cache and
/// settings.
#[derive(Clone, Debug)]
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    checks: ClaimChecks,
    clock: Clock,
    keys: KeyStore,
    revocations: Option<Arc<Revocations>>,
    /// Verified tokens, by the whole token, so that no token can pass for another.
    cache: Cache<Box<str>, CachedToken>,
}

/// A token that passed every check.
#[derive(Clone, Debug)]
struct CachedToken {
    claims: Arc<AccessClaims>,
    /// Version of the [`KeySet`] at that time. With another one the token is verified again.
    keys_version: u64,
}

impl Verifier {
    /// Returns the default settings of a verifier for the tokens of `issuer`: the URL of
    /// auth-service, exactly as in the claim `iss`.
    pub fn builder(issuer: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder::new(issuer.into())
    }

    /// Returns the issuer whose tokens the verifier accepts.
    pub fn issuer(&self) -> &str {
        &self.0.checks.issuer
    }

    /// Returns the claims of a token if it can be trusted. Waits for the network only if the token
    /// has an unknown key id, or while the verifier has no keys.
    ///
    /// # Errors
    /// [`VerifyError`] with the reason for the refusal.
    pub async fn verify(&self, token: &str) -> Result<Arc<AccessClaims>, VerifyError> {
        match self.verify_with_known_keys(token) {
            Err(error @ (VerifyError::UnknownKey | VerifyError::KeysUnavailable)) => {
                self.0.keys.find_key(token, error).await?;
                self.verify_with_known_keys(token)
            }
            result => result,
        }
    }

    /// Returns the claims of a token if it can be trusted. Never waits: a token with an unknown key
    /// id is refused.
    ///
    /// # Errors
    /// [`VerifyError`] with the reason for the refusal.
    pub fn verify_with_known_keys(&self, token: &str) -> Result<Arc<AccessClaims>, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::Malformed);
        }
        let keys = self.0.keys.load();
        let keys = keys.as_deref().ok_or(VerifyError::KeysUnavailable)?;
        if let Some(cached) = self.0.cache.get(token)
            && cached.keys_version == keys.version()
        {
            self.check_now(&cached.claims)?;
            return Ok(cached.claims);
        }
        let claims = Arc::new(self.verify_uncached(token, keys)?);
        let cached = CachedToken { claims: Arc::clone(&claims), keys_version: keys.version() };
        self.0.cache.insert(token.into(), cached);
        Ok(claims)
    }

    fn verify_uncached(&self, token: &str, keys: &KeySet) -> Result<AccessClaims, VerifyError> {
        if keys.is_empty() {
            return Err(VerifyError::KeysUnavailable);
        }
        let jws = Jws::parse(token)?;
        let header = jws.decode_header()?;
        let header = Header::parse(&header)?;
        let key = keys.get(header.kid).ok_or(VerifyError::UnknownKey)?;
        jws.check_signature(header.algorithm, key)?;
        let claims: AccessClaims = parse_object(&jws.decode_payload()?)?;
        self.0.checks.check_fixed(&claims)?;
        self.check_now(&claims)?;
        Ok(claims)
    }

    /// Checks what can change between two requests with the same token.
    fn check_now(&self, claims: &AccessClaims) -> Result<(), VerifyError> {
        self.0.checks.check_times(claims, self.0.clock.now_secs())?;
        match &self.0.revocations {
            Some(revocations) => revocations.check(claims.sid),
            None => Ok(()),
        }
    }
}

/// Keys.
impl Verifier {
    /// Returns `true` if the verifier has keys.
    pub fn has_keys(&self) -> bool {
        self.0.keys.has_keys()
    }

    /// Returns why the verifier has no keys, for a health check, or `None` if it has some.
    pub fn keys_error(&self) -> Option<FetchError> {
        self.0.keys.error()
    }

    /// Replaces the keys of a verifier that was built with given keys. If the key ids are the
    /// same, the keys stay as they are and cached tokens stay valid.
    pub fn set_keys(&self, jwks: &JwkSet) {
        self.0.keys.set(jwks);
    }

    /// Sets where a verifier that was built with given keys looks up an unknown key id. Only the
    /// first call has an effect.
    pub fn set_key_source(&self, source: Weak<dyn KeySource>) {
        self.0.keys.set_source(source);
    }
}

/// Revocations and readiness.
impl Verifier {
    /// Returns `true` if the verifier can decide on tokens: it has keys, and it follows the
    /// revocation feed or the outage policy accepts tokens.
    pub fn is_ready(&self) -> bool {
        let revocations = self.0.revocations.as_ref();
        revocations.is_none_or(|revocations| revocations.is_usable()) && self.has_keys()
    }

    /// Returns `true` while the verifier follows the revocation feed, or `None` if no feed is set.
    pub fn follows_revocations(&self) -> Option<bool> {
        self.0.revocations.as_ref().map(|revocations| revocations.is_current())
    }

    /// Returns the state of the revocation feed, for metrics and health checks, or `None` if no
    /// feed is set.
    pub fn revocations(&self) -> Option<FeedState> {
        self.0.revocations.as_ref().map(|revocations| revocations.state())
    }

    /// Sets the client secret for the next connection to the revocation feed. An open connection
    /// stays open. Does nothing if no feed is set.
    pub fn set_feed_secret(&self, secret: String) {
        if let Some(revocations) = &self.0.revocations {
            revocations.set_secret(secret);
        }
    }

    /// Refuses the tokens of a session from now on.
    #[cfg(feature = "testing")]
    pub(crate) fn end_session(&self, sid: crate::claims::SessionId) {
        if let Some(revocations) = &self.0.revocations {
            revocations.record(sid, i64::MAX);
        }
    }
}
