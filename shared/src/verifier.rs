//! [`Verifier`]: decides whether an access token can be trusted (RFC 8725, RFC 9068 section 4).

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use quick_cache::sync::Cache;
use serde::Deserialize;

use crate::{
    FetchError, VerifyError,
    claims::{ACCESS_TOKEN_TYP, AccessClaims, TokenType},
    clock::Clock,
    keys::{Algorithm, JwkSet, KeySet, KeySource, PublicKey, RemoteKeys, Source},
    request_hook::{Hook, RequestHook},
    revocations::{Feed, FeedState, OutagePolicy, Revocations},
};

/// No token of ours is near it; whatever is longer is refused unread.
const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Verifies access tokens of one issuer for one or more audiences. Clones share keys, cache and settings.
#[derive(Clone, Debug)]
pub struct Verifier(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuer: String,
    audiences: Vec<String>,
    leeway_secs: i64,
    clock: Clock,
    keys: Keys,
    revocations: Option<Arc<Revocations>>,
    /// By the whole token, so that no two can be confused.
    verified: Cache<Box<str>, Verified>,
}

#[derive(Debug)]
enum Keys {
    Own(OwnKeys),
    Remote(Arc<RemoteKeys>),
}

/// Keys that the verifier was given.
struct OwnKeys {
    keys: ArcSwap<KeySet>,
    source: OnceLock<Weak<dyn KeySource>>,
}

impl fmt::Debug for OwnKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.fmt(f)
    }
}

/// A token that has passed every check.
#[derive(Clone, Debug)]
struct Verified {
    claims: Arc<AccessClaims>,
    /// The number of the keys it was verified with: should they change, it is verified anew.
    keys: u64,
}

/// How a [`Verifier`] is set up.
#[derive(Debug)]
#[must_use]
pub struct VerifierBuilder {
    issuer: String,
    audiences: Vec<String>,
    leeway: Duration,
    clock: Clock,
    jwks_url: Option<String>,
    feed: Option<(Feed, OutagePolicy)>,
    refresh_interval: Duration,
    min_fetch_interval: Duration,
    cached_tokens: usize,
    hook: Hook,
}

impl VerifierBuilder {
    /// Adds an audience: a token for any of them is accepted. With none, no token is.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// How far the issuer's clock may be off. 10 s unless told.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Where the keys are, if the issuer's metadata (RFC 8414) cannot be asked: behind a proxy, say.
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks_url = Some(url.into());
        self
    }

    /// Follows the issuer's feed of sessions that have ended, so that their tokens are refused within a second, and says
    /// what becomes of tokens while it cannot be followed. Unless told, tokens are accepted until they expire.
    pub fn revocations(mut self, feed: Feed, outage: OutagePolicy) -> Self {
        self.feed = Some((feed, outage));
        self
    }

    /// How often the keys are fetched anew. 5 minutes unless told.
    pub fn refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh_interval = interval;
        self
    }

    /// The least time between two fetches that unknown key ids cause. 10 s unless told.
    pub fn min_fetch_interval(mut self, interval: Duration) -> Self {
        self.min_fetch_interval = interval;
        self
    }

    /// How many verified tokens are remembered, each of which takes about a kilobyte. 10,000 unless told; 0 is none.
    pub fn cached_tokens(mut self, count: usize) -> Self {
        self.cached_tokens = count;
        self
    }

    /// Sets a hook for the verifier's requests to the issuer, for example to add a trace header.
    pub fn request_hook(mut self, hook: Arc<dyn RequestHook>) -> Self {
        self.hook = Hook::new(hook);
        self
    }

    /// Another clock, for tests.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// A verifier that fetches the issuer's keys in the background from now on, and need not wait for them: until
    /// they are here, tokens are answered with [`VerifyError::KeysUnavailable`].
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn build(self) -> Verifier {
        let source = match &self.jwks_url {
            Some(url) => Source::Jwks(url.clone()),
            None => Source::Issuer(self.issuer.clone()),
        };
        let keys = Arc::new(RemoteKeys::new(source, self.min_fetch_interval, self.hook.clone()));
        tokio::spawn(RemoteKeys::keep_fresh(Arc::downgrade(&keys), self.refresh_interval));
        self.finish(Keys::Remote(keys))
    }

    /// A verifier with these keys, until [`Verifier::set_keys`] gives it others: for the issuer itself, and for tests.
    pub fn build_with_keys(self, jwks: &JwkSet) -> Verifier {
        let keys = ArcSwap::from_pointee(KeySet::from_jwks(jwks));
        self.finish(Keys::Own(OwnKeys { keys, source: OnceLock::new() }))
    }

    fn finish(self, keys: Keys) -> Verifier {
        let clock = self.clock.clone();
        let revocations =
            self.feed.map(|(feed, outage)| Arc::new(Revocations::new(feed, outage, clock, self.hook)));
        if let Some(revocations) = &revocations {
            tokio::spawn(Revocations::follow(Arc::downgrade(revocations)));
        }
        Verifier(Arc::new(Inner {
            issuer: self.issuer,
            audiences: self.audiences,
            leeway_secs: self.leeway.as_secs().try_into().unwrap_or(i64::MAX),
            clock: self.clock,
            keys,
            revocations,
            verified: Cache::new(self.cached_tokens),
        }))
    }
}

impl Verifier {
    /// A verifier for tokens of this issuer, which is auth-service's URL as its tokens name it (`iss`).
    pub fn builder(issuer: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder {
            issuer: issuer.into(),
            audiences: Vec::new(),
            leeway: Duration::from_secs(10),
            clock: Clock::system(),
            jwks_url: None,
            feed: None,
            refresh_interval: Duration::from_secs(300),
            min_fetch_interval: Duration::from_secs(10),
            cached_tokens: 10_000,
            hook: Hook::default(),
        }
    }

    /// The issuer whose tokens are accepted.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Gives a verifier that was built with keys of its own others in their place. Where the ids are the same, and so are
    /// the keys, what was verified stays verified.
    pub fn set_keys(&self, jwks: &JwkSet) {
        if let Keys::Own(own) = &self.0.keys {
            let new = KeySet::from_jwks(jwks);
            if !own.keys.load().has_the_ids_of(&new) {
                own.keys.store(Arc::new(new));
            }
        }
    }

    /// Where a verifier that was built with keys of its own looks when a token names another.
    pub fn set_key_source(&self, source: Weak<dyn KeySource>) {
        if let Keys::Own(own) = &self.0.keys {
            // The first one counts.
            let _ = own.source.set(source);
        }
    }

    /// Whether the feed of revocations is being followed. `None` if it is not to be.
    pub fn follows_revocations(&self) -> Option<bool> {
        self.0.revocations.as_ref().map(|revocations| revocations.is_current())
    }

    /// Follows the revocations with another secret of the client from the next time on that the feed is asked for: at once,
    /// if the one it has is refused. Nothing if they are not to be followed.
    pub fn set_feed_secret(&self, secret: String) {
        if let Some(revocations) = &self.0.revocations {
            revocations.set_secret(secret);
        }
    }

    /// How the following of revocations stands, for metrics. `None` if they are not to be followed.
    pub fn revocations(&self) -> Option<FeedState> {
        self.0.revocations.as_ref().map(|revocations| revocations.state())
    }

    /// Whether tokens can be decided on: there are keys, and revocations are known if they must be.
    pub fn is_ready(&self) -> bool {
        self.0.revocations.as_ref().is_none_or(|revocations| revocations.is_usable()) && self.has_keys()
    }

    /// Whether there are keys to verify with.
    pub fn has_keys(&self) -> bool {
        match &self.0.keys {
            Keys::Own(own) => !own.keys.load().is_empty(),
            Keys::Remote(remote) => remote.current().is_some(),
        }
    }

    /// Why there are no keys to verify with, for a health check. `None` if there are some.
    pub fn keys_error(&self) -> Option<FetchError> {
        match &self.0.keys {
            _ if self.has_keys() => None,
            Keys::Own(_) => Some(FetchError::NotFetchedYet),
            Keys::Remote(remote) => Some(remote.last_error().unwrap_or(FetchError::NotFetchedYet)),
        }
    }

    /// The claims of `token`, if it can be trusted. Makes no network call unless the token names an unknown key.
    ///
    /// # Errors
    /// [`VerifyError`], which says why not.
    pub async fn verify(&self, token: &str) -> Result<Arc<AccessClaims>, VerifyError> {
        match (self.verify_with_known_keys(token), &self.0.keys) {
            (Err(VerifyError::UnknownKey | VerifyError::KeysUnavailable), Keys::Remote(remote)) => {
                let header = decode(Jws::parse(token)?.header)?;
                remote.look_for(Header::parse(&header)?.kid).await?;
                self.verify_with_known_keys(token)
            }
            (Err(VerifyError::UnknownKey), Keys::Own(own)) => {
                match own.source.get().and_then(Weak::upgrade) {
                    Some(source) => source.reload().await?,
                    None => return Err(VerifyError::UnknownKey),
                }
                self.verify_with_known_keys(token)
            }
            (decided, _) => decided,
        }
    }

    /// As [`Verifier::verify`], but with the keys that are here: it never waits, and an unknown key stays unknown.
    ///
    /// # Errors
    /// [`VerifyError`], which says why not.
    pub fn verify_with_known_keys(&self, token: &str) -> Result<Arc<AccessClaims>, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::Malformed);
        }
        // Borrowed: to count who has them would have all cores write to one place.
        let (own, remote);
        let keys: &KeySet = match &self.0.keys {
            Keys::Own(of_own) => {
                own = of_own.keys.load();
                &own
            }
            Keys::Remote(of_remote) => {
                remote = of_remote.current();
                remote.as_deref().ok_or(VerifyError::KeysUnavailable)?
            }
        };
        if let Some(known) = self.0.verified.get(token)
            && known.keys == keys.number()
        {
            self.check_now(&known.claims)?;
            return Ok(known.claims);
        }
        if keys.is_empty() {
            return Err(VerifyError::KeysUnavailable);
        }
        let jws = Jws::parse(token)?;
        let header = decode(jws.header)?;
        let header = Header::parse(&header)?;
        jws.check_signature(header.algorithm, keys.get(header.kid).ok_or(VerifyError::UnknownKey)?)?;
        let claims: AccessClaims = object(&decode(jws.payload)?)?;
        self.check_claims(&claims)?;
        self.check_now(&claims)?;
        let claims = Arc::new(claims);
        let verified = Verified { claims: Arc::clone(&claims), keys: keys.number() };
        self.0.verified.insert(token.into(), verified);
        Ok(claims)
    }

    fn check_claims(&self, claims: &AccessClaims) -> Result<(), VerifyError> {
        if claims.token_type != TokenType::Access {
            Err(VerifyError::WrongType)
        } else if claims.iss != self.0.issuer {
            Err(VerifyError::Issuer)
        } else if !self.0.audiences.iter().any(|ours| claims.aud.contains(ours)) {
            Err(VerifyError::Audience)
        } else {
            Ok(())
        }
    }

    /// What may change from one moment to the next.
    fn check_now(&self, claims: &AccessClaims) -> Result<(), VerifyError> {
        self.check_times(claims)?;
        self.0.revocations.as_ref().map_or(Ok(()), |revocations| revocations.check(claims.sid))
    }

    fn check_times(&self, claims: &AccessClaims) -> Result<(), VerifyError> {
        let now = self.0.clock.now_secs();
        let begins = claims.nbf.map_or(claims.iat, |nbf| nbf.max(claims.iat));
        if claims.exp <= now.saturating_sub(self.0.leeway_secs) {
            Err(VerifyError::Expired)
        } else if begins > now.saturating_add(self.0.leeway_secs) {
            Err(VerifyError::NotYetValid)
        } else {
            Ok(())
        }
    }
}

/// The header parameters that decide. `jku`, `jwk`, `x5u` and `x5c` are ignored: keys come from the issuer alone.
struct Header<'a> {
    algorithm: Algorithm,
    kid: &'a str,
}

impl<'a> Header<'a> {
    fn parse(json: &'a [u8]) -> Result<Self, VerifyError> {
        #[derive(Deserialize)]
        struct Parameters<'a> {
            alg: &'a str,
            typ: Option<&'a str>,
            kid: Option<&'a str>,
            #[serde(default, deserialize_with = "present")]
            crit: bool,
        }
        let header: Parameters = object(json)?;
        let algorithm = header.alg.parse().map_err(|_| VerifyError::Algorithm)?;
        if header.crit {
            return Err(VerifyError::Critical);
        }
        if !header.typ.is_some_and(is_access_token_typ) {
            return Err(VerifyError::WrongType);
        }
        Ok(Self { algorithm, kid: header.kid.ok_or(VerifyError::UnknownKey)? })
    }
}

/// Whether a member is there at all, whatever it holds: `null` too.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    serde::de::IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// The three parts of a compact JWS (RFC 7515 section 3.1), still encoded.
struct Jws<'a> {
    signing_input: &'a str,
    header: &'a str,
    payload: &'a str,
    signature: &'a str,
}

impl<'a> Jws<'a> {
    fn parse(token: &'a str) -> Result<Self, VerifyError> {
        let (signing_input, signature) = token.rsplit_once('.').ok_or(VerifyError::Malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(VerifyError::Malformed)?;
        Ok(Self { signing_input, header, payload, signature })
    }

    /// The key's own algorithm decides, never the header's alone (RFC 8725 section 3.1).
    fn check_signature(&self, algorithm: Algorithm, key: &PublicKey) -> Result<(), VerifyError> {
        if key.algorithm != algorithm {
            return Err(VerifyError::Algorithm);
        }
        let signature = decode(self.signature)?;
        if key.verifies(self.signing_input.as_bytes(), &signature) {
            Ok(())
        } else {
            Err(VerifyError::Signature)
        }
    }
}

/// Base64url without padding and with no stray bits, so that one token has one spelling.
fn decode(part: &str) -> Result<Vec<u8>, VerifyError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| VerifyError::Malformed)
}

/// A JSON object in UTF-8. Left to itself serde takes an array of the members' values for one, and lets pass whatever
/// bytes are in the members that nobody looks at.
fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, VerifyError> {
    let text = std::str::from_utf8(json).map_err(|_| VerifyError::Malformed)?;
    if !text.trim_ascii_start().starts_with('{') {
        return Err(VerifyError::Malformed);
    }
    serde_json::from_str(text).map_err(|_| VerifyError::Malformed)
}

/// `at+jwt`, also with the `application/` that may be left out (RFC 7515 section 4.1.9), in any case.
fn is_access_token_typ(typ: &str) -> bool {
    let short = match typ.get(..12) {
        Some(prefix) if prefix.eq_ignore_ascii_case("application/") => &typ[12..],
        _ => typ,
    };
    short.eq_ignore_ascii_case(ACCESS_TOKEN_TYP)
}
