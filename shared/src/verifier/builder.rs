//! [`VerifierBuilder`]: the settings of a verifier, and their defaults.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use quick_cache::sync::Cache;

use super::{Inner, Verifier, checks::ClaimChecks, key_store::KeyStore};
use crate::{
    clock::Clock,
    issuer::without_trailing_slash,
    keys::{JwkSet, KeyLimits, KeysLocation, RemoteKeys},
    request_hook::{Hook, RequestHook},
    revocations::{Feed, Follower, OutagePolicy, Revocations},
};

/// Settings of a [`Verifier`]. [`Verifier::builder`] returns the defaults.
#[derive(Debug)]
#[must_use]
pub struct VerifierBuilder {
    issuer: String,
    audiences: Vec<String>,
    any_audience: bool,
    leeway: Duration,
    clock: Clock,
    jwks_url: Option<String>,
    feed: Option<(Feed, OutagePolicy)>,
    refresh_interval: Duration,
    key_limits: KeyLimits,
    cached_tokens: usize,
    hook: Hook,
}

impl Verifier {
    /// Returns the default settings of a verifier for the tokens of `issuer`: the URL of
    /// auth-service as in the claim `iss`. A trailing slash makes no difference; every other
    /// difference does, also `localhost` for `127.0.0.1`. [`Verifier::ready`] names the difference.
    pub fn builder(issuer: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder::new(issuer.into())
    }
}

impl VerifierBuilder {
    fn new(issuer: String) -> Self {
        Self {
            issuer: without_trailing_slash(&issuer).into(),
            audiences: Vec::new(),
            any_audience: false,
            leeway: Duration::from_secs(10),
            clock: Clock::system(),
            jwks_url: None,
            feed: None,
            refresh_interval: Duration::from_secs(300),
            key_limits: KeyLimits {
                min_fetch_interval: Duration::from_secs(10),
                max_age: Duration::from_secs(24 * 60 * 60),
            },
            cached_tokens: 10_000,
            hook: Hook::default(),
        }
    }

    /// Adds an audience. The verifier accepts tokens for any of the audiences, and no token if it
    /// has no audience.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Accepts tokens for every audience. For the issuer itself, which ends the sessions of all its
    /// tokens. A resource server must name its audience instead (RFC 9068 section 4).
    pub fn any_audience(mut self) -> Self {
        self.any_audience = true;
        self
    }

    /// Sets the maximum difference between the clocks of the issuer and of this service. Default:
    /// 10 seconds.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Sets the URL of the JWKS, for a service that cannot reach the metadata (RFC 8414) at the
    /// issuer's URL. Default: the URL in the metadata.
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks_url = Some(url.into());
        self
    }

    /// Follows the issuer's revocation feed, so that the verifier refuses the tokens of an ended
    /// session within a second. The outage policy applies while the feed cannot be followed.
    /// Default: no feed, and tokens are accepted until they expire.
    pub fn revocations(mut self, feed: Feed, outage: OutagePolicy) -> Self {
        self.feed = Some((feed, outage));
        self
    }

    /// Sets the time between two fetches of the keys, at most half of the maximum age of the keys.
    /// Default: 5 minutes.
    pub fn refresh_interval(mut self, interval: Duration) -> Self {
        self.refresh_interval = interval;
        self
    }

    /// Sets the minimum time between two fetches that unknown key ids cause. Default: 10 seconds.
    pub fn min_fetch_interval(mut self, interval: Duration) -> Self {
        self.key_limits.min_fetch_interval = interval;
        self
    }

    /// Sets the maximum age of the keys: the time since the last successful fetch, in whole seconds.
    /// While no fetch succeeds, the verifier uses the keys that it has for this long, then refuses
    /// every token with [`VerifyError::KeysUnavailable`](crate::VerifyError::KeysUnavailable).
    /// Default: 24 hours.
    pub fn max_key_age(mut self, age: Duration) -> Self {
        self.key_limits.max_age = age;
        self
    }

    /// Sets the number of verified tokens that the verifier caches, each about a kilobyte; 0 turns
    /// the cache off. Default: 10,000.
    pub fn cached_tokens(mut self, count: usize) -> Self {
        self.cached_tokens = count;
        self
    }

    /// Sets a hook for the verifier's requests to the issuer, for example to add a trace header.
    /// Default: none.
    pub fn request_hook(mut self, hook: Arc<dyn RequestHook>) -> Self {
        self.hook = Hook::new(hook);
        self
    }

    /// Sets the clock, which a test can advance. Default: the system clock.
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Builds a verifier that fetches the issuer's keys in the background. Does not wait for the
    /// first fetch: until it succeeds, [`Verifier::verify`] returns
    /// [`VerifyError::KeysUnavailable`](crate::VerifyError::KeysUnavailable).
    ///
    /// # Panics
    /// Panics outside a Tokio runtime.
    pub fn build(self) -> Verifier {
        let location = match &self.jwks_url {
            Some(url) => KeysLocation::Jwks(url.clone()),
            None => KeysLocation::Issuer(self.issuer.clone()),
        };
        let keys =
            RemoteKeys::new(location, self.key_limits, self.clock.clone(), self.hook.clone());
        let keys = Arc::new(keys);
        // Keys do not become too old between two fetches that succeed.
        let interval = self.refresh_interval.min(self.key_limits.max_age / 2);
        tokio::spawn(RemoteKeys::refresh_periodically(Arc::downgrade(&keys), interval));
        self.build_following(KeyStore::Remote(keys))
    }

    /// Builds a verifier with given keys, which [`Verifier::set_keys`] replaces. For the issuer
    /// itself and for tests.
    ///
    /// # Panics
    /// Panics outside a Tokio runtime if the verifier follows the revocation feed.
    pub fn build_with_keys(self, jwks: &JwkSet) -> Verifier {
        self.build_following(KeyStore::given(jwks))
    }

    /// Builds a verifier and follows the feed if one is set.
    fn build_following(mut self, keys: KeyStore) -> Verifier {
        let revocations = self.feed.take().map(|(feed, outage)| {
            let revocations = Arc::new(Revocations::new(feed, outage, self.clock.clone()));
            tokio::spawn(Follower::new(&revocations, self.hook.clone()).run());
            revocations
        });
        self.assemble(keys, revocations)
    }

    /// Builds a verifier with given keys whose ended sessions come from
    /// [`TestIssuer::end_session`](crate::testing::TestIssuer::end_session), not from a feed.
    #[cfg(feature = "testing")]
    pub(crate) fn build_for_tests(self, jwks: &JwkSet) -> Verifier {
        let revocations = Revocations::without_feed(self.clock.clone());
        self.assemble(KeyStore::given(jwks), Some(Arc::new(revocations)))
    }

    fn assemble(self, keys: KeyStore, revocations: Option<Arc<Revocations>>) -> Verifier {
        Verifier(Arc::new(Inner {
            checks: ClaimChecks {
                issuer: self.issuer,
                audiences: self.audiences,
                any_audience: self.any_audience,
                leeway_secs: self.leeway.as_secs().try_into().unwrap_or(i64::MAX),
            },
            clock: self.clock,
            keys,
            revocations,
            cache: Cache::new(self.cached_tokens),
            is_issuer_logged: AtomicBool::new(false),
        }))
    }
}
