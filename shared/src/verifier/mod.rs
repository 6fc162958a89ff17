//! [`Verifier`]: decides whether to trust an access token (RFC 8725, RFC 9068 section 4).
//!
//! | module | content |
//! |---|---|
//! | `builder` | the settings of a verifier, and their defaults |
//! | `key_store` | the verifier's keys, given or fetched |
//! | `jws` | the parts of a token, their encoding, the signature |
//! | `header` | the checks of the header |
//! | `checks` | the checks of the claims |
//! | `readiness` | whether the verifier can decide on tokens, and why not |

mod builder;
mod checks;
mod header;
mod jws;
mod key_store;
mod readiness;

use std::sync::{
    Arc, Weak,
    atomic::{AtomicBool, Ordering},
};

use quick_cache::sync::Cache;

pub use self::{builder::VerifierBuilder, readiness::NotReady};
use self::{
    checks::ClaimChecks,
    header::Header,
    jws::{Jws, parse_object},
    key_store::KeyStore,
};
use crate::{
    VerifyError,
    claims::AccessClaims,
    clock::Clock,
    keys::{JwkSet, KeySet, KeySource},
    revocations::Revocations,
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
    /// Whether the log names another issuer of a token with a valid signature.
    is_issuer_logged: AtomicBool,
}

/// A token that passed every check.
#[derive(Clone, Debug)]
struct CachedToken {
    claims: Arc<AccessClaims>,
    /// Version of the [`KeySet`] that verified the token. After a change of the version, the token
    /// is verified again.
    keys_version: u64,
}

impl Verifier {
    /// Returns the issuer whose tokens the verifier accepts, without a trailing slash.
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
        let now = self.0.clock.now_secs();
        let keys = self.0.keys.load();
        let keys = keys.as_deref().ok_or(VerifyError::KeysUnavailable)?;
        if now >= self.0.keys.usable_until() {
            return Err(VerifyError::KeysUnavailable);
        }
        if let Some(cached) = self.0.cache.get(token)
            && cached.keys_version == keys.version()
        {
            self.check_at(now, &cached.claims)?;
            return Ok(cached.claims);
        }
        let claims = Arc::new(self.verify_uncached(token, keys, now)?);
        let cached = CachedToken { claims: Arc::clone(&claims), keys_version: keys.version() };
        self.0.cache.insert(token.into(), cached);
        Ok(claims)
    }

    fn verify_uncached(
        &self,
        token: &str,
        keys: &KeySet,
        now: i64,
    ) -> Result<AccessClaims, VerifyError> {
        if keys.is_empty() {
            return Err(VerifyError::KeysUnavailable);
        }
        let jws = Jws::parse(token)?;
        let header = jws.decode_header()?;
        let header = Header::parse(&header)?;
        let key = keys.get(header.kid).ok_or(VerifyError::UnknownKey)?;
        jws.check_signature(header.algorithm, key)?;
        let claims: AccessClaims = parse_object(&jws.decode_payload()?)?;
        self.0.checks.check_fixed(&claims).inspect_err(|why| self.log_refusal(*why, &claims))?;
        self.check_at(now, &claims)?;
        Ok(claims)
    }

    /// Logs, once, that the issuer's keys sign tokens of another issuer: the verifier is built with
    /// the wrong URL. The claims are the issuer's, because their signature is valid.
    fn log_refusal(&self, why: VerifyError, claims: &AccessClaims) {
        if why == VerifyError::Issuer && !self.0.is_issuer_logged.swap(true, Ordering::Relaxed) {
            let issuer = self.issuer();
            let other = &claims.iss;
            log::warn!(
                "tokens of the issuer {other:?} are refused, because the verifier is built with \
                 the issuer {issuer:?}"
            );
        }
    }

    /// Checks at `now`, in seconds since the Unix epoch, what can change between two requests with
    /// the same token.
    fn check_at(&self, now: i64, claims: &AccessClaims) -> Result<(), VerifyError> {
        self.0.checks.check_times(claims, now)?;
        match &self.0.revocations {
            Some(revocations) => revocations.check(claims.sid),
            None => Ok(()),
        }
    }
}

/// Keys.
impl Verifier {
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

/// Revocations.
impl Verifier {
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
