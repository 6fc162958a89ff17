//! The issuer's keys over HTTP: fetched at start, at an interval, and when a token has an unknown
//! key id.

mod fetch;

use std::{
    sync::{
        Arc, PoisonError, Weak,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::{ArcSwapOption, Guard};
use jsonwebtoken::jwk::JwkSet;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;

use self::fetch::{Fetcher, KeyFetchError};
use super::KeySet;
use crate::{
    FetchError, VerifyError, clock::Clock, fetch_error::FetchFailure, http::chain,
    request_hook::Hook,
};

/// First pause between two attempts while the verifier has no keys. The pause doubles each time.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// Longest pause between two attempts while the verifier has no keys.
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Location of the issuer's keys.
#[derive(Debug)]
pub(crate) enum KeysLocation {
    /// The metadata of the issuer at this URL has the location (RFC 8414).
    Issuer(String),
    /// The JWKS is at this URL.
    Jwks(String),
}

impl KeysLocation {
    fn url(&self) -> &str {
        let (Self::Issuer(url) | Self::Jwks(url)) = self;
        url
    }
}

/// Limits of the use of fetched keys.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KeyLimits {
    /// Minimum time between two fetches that unknown key ids cause.
    pub(crate) min_fetch_interval: Duration,
    /// Maximum time since the last successful fetch for which keys are used.
    pub(crate) max_age: Duration,
}

/// The keys of the last successful fetch. Readers take no lock.
#[derive(Debug)]
pub(crate) struct RemoteKeys {
    location: KeysLocation,
    limits: KeyLimits,
    clock: Clock,
    fetcher: Fetcher,
    keys: ArcSwapOption<KeySet>,
    /// Time until which the keys are used, in seconds since the Unix epoch.
    usable_until: AtomicI64,
    /// Why the last fetch failed. `None` after a successful fetch.
    last_failure: std::sync::Mutex<Option<FetchFailure>>,
    /// Locked during a fetch, so that one fetch runs at a time.
    last_fetch: Mutex<LastFetch>,
}

/// State that one fetch leaves for the next.
#[derive(Debug, Default)]
struct LastFetch {
    /// Time of the last fetch that an unknown key id caused.
    unknown_kid_at: Option<Instant>,
    jwks_url: Option<String>,
    etag: Option<HeaderValue>,
    body: Vec<u8>,
}

impl RemoteKeys {
    pub(crate) fn new(location: KeysLocation, limits: KeyLimits, clock: Clock, hook: Hook) -> Self {
        let details = "the keys are not fetched yet".into();
        let not_fetched = FetchFailure { error: FetchError::NotFetchedYet, details };
        Self {
            fetcher: Fetcher::new(location.url(), hook),
            location,
            limits,
            clock,
            keys: ArcSwapOption::empty(),
            usable_until: AtomicI64::new(0),
            last_failure: std::sync::Mutex::new(Some(not_fetched)),
            last_fetch: Mutex::default(),
        }
    }

    /// Returns the keys of the last successful fetch, which may be too old: see
    /// [`RemoteKeys::usable_until`].
    pub(crate) fn load(&self) -> Guard<Option<Arc<KeySet>>> {
        self.keys.load()
    }

    /// Returns the time until which the keys are used, in seconds since the Unix epoch.
    pub(crate) fn usable_until(&self) -> i64 {
        self.usable_until.load(Ordering::Relaxed)
    }

    /// Returns why the last fetch failed.
    pub(crate) fn last_failure(&self) -> Option<FetchFailure> {
        self.last_failure.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the keys if they are fetched and not too old.
    fn usable(&self) -> Option<Arc<KeySet>> {
        let is_usable = self.clock.now_secs() < self.usable_until();
        self.keys.load_full().filter(|_| is_usable)
    }

    /// Fetches the keys because a token has an unknown key id. Concurrent callers share one fetch,
    /// and the minimum interval limits the number of fetches, so that made-up key ids cannot flood
    /// the issuer.
    ///
    /// # Errors
    /// [`VerifyError::UnknownKey`] if the issuer has no key with this id, and
    /// [`VerifyError::KeysUnavailable`] if no fetch was successful, or not for too long.
    pub(crate) async fn fetch_unknown(&self, kid: &str) -> Result<(), VerifyError> {
        let mut last = self.last_fetch.lock().await;
        let is_known = || match self.usable() {
            None => Err(VerifyError::KeysUnavailable),
            Some(keys) => keys.get(kid).map(drop).ok_or(VerifyError::UnknownKey),
        };
        let is_due =
            last.unknown_kid_at.is_none_or(|at| at.elapsed() >= self.limits.min_fetch_interval);
        // The previous holder of the lock may have fetched the key.
        if is_known().is_err() && is_due {
            last.unknown_kid_at = Some(Instant::now());
            self.fetch_and_log(&mut last).await;
        }
        is_known()
    }

    /// Fetches until the keys are usable, then at the interval, until the verifier is dropped.
    pub(crate) async fn refresh_periodically(this: Weak<Self>, interval: Duration) {
        let mut retry = FIRST_RETRY;
        loop {
            let Some(keys) = this.upgrade() else { return };
            keys.fetch_and_log(&mut *keys.last_fetch.lock().await).await;
            let pause = if keys.usable().is_some() {
                retry = FIRST_RETRY;
                interval
            } else {
                let pause = retry;
                retry = (retry * 2).min(LAST_RETRY);
                pause
            };
            // A reference held during the pause would keep a dropped verifier's keys alive.
            drop(keys);
            tokio::time::sleep(pause).await;
        }
    }

    async fn fetch_and_log(&self, last: &mut LastFetch) {
        let requested_at = self.clock.now_secs();
        match self.fetch(last).await {
            Ok(()) => {
                let max_age = self.limits.max_age.as_secs().try_into().unwrap_or(i64::MAX);
                let usable_until = requested_at.saturating_add(max_age);
                self.usable_until.store(usable_until, Ordering::Relaxed);
                self.set_last_failure(None);
            }
            Err(error) => {
                // The issuer may have moved its keys.
                last.jwks_url = None;
                last.etag = None;
                let url = self.location.url();
                let details = format!("cannot fetch the keys of {url}: {}", chain(&error));
                log::warn!("{details}; {}", self.consequence());
                self.set_last_failure(Some(FetchFailure { error: error.public(), details }));
            }
        }
    }

    /// Returns the consequence of a failed fetch, for the log.
    fn consequence(&self) -> &'static str {
        match (self.usable(), &*self.keys.load()) {
            (Some(_), _) => "the keys fetched last stay in use",
            (None, Some(_)) => {
                "the keys fetched last are too old: no token can be verified until a fetch succeeds"
            }
            (None, None) => "no token can be verified until a fetch succeeds",
        }
    }

    fn set_last_failure(&self, failure: Option<FetchFailure>) {
        *self.last_failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }

    async fn fetch(&self, last: &mut LastFetch) -> Result<(), KeyFetchError> {
        let url = match (&self.location, &last.jwks_url) {
            (KeysLocation::Jwks(url), _) | (_, Some(url)) => url.clone(),
            (KeysLocation::Issuer(issuer), None) => self.fetcher.find_jwks(issuer).await?,
        };
        let response = self.fetcher.get(&url, last.etag.as_ref()).await?;
        let Some((body, etag)) = response else { return Ok(()) };
        // An unchanged key set keeps its version, and with it the cache of verified tokens.
        if body != last.body || self.keys.load().is_none() {
            let jwks: JwkSet = serde_json::from_slice(&body).map_err(KeyFetchError::Jwks)?;
            let keys = KeySet::from_jwks(&jwks);
            if keys.is_empty() {
                return Err(KeyFetchError::NoKeys);
            }
            self.keys.store(Some(Arc::new(keys)));
        }
        last.jwks_url = Some(url);
        last.etag = etag;
        last.body = body;
        Ok(())
    }
}
