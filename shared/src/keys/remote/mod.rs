//! The issuer's keys over HTTP: fetched at start, at an interval, and when a token has an unknown
//! key id.

mod fetch;

use std::{
    sync::{Arc, PoisonError, Weak},
    time::{Duration, Instant},
};

use arc_swap::{ArcSwapOption, Guard};
use jsonwebtoken::jwk::JwkSet;
use reqwest::header::HeaderValue;
use tokio::sync::Mutex;

use self::fetch::{Fetcher, KeyFetchError};
use super::KeySet;
use crate::{FetchError, VerifyError, http::chain, request_hook::Hook};

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

/// The keys of the last successful fetch. Readers take no lock.
#[derive(Debug)]
pub(crate) struct RemoteKeys {
    location: KeysLocation,
    /// Minimum time between two fetches that unknown key ids cause.
    min_interval: Duration,
    fetcher: Fetcher,
    keys: ArcSwapOption<KeySet>,
    /// Error of the last fetch.
    last_error: std::sync::Mutex<Option<FetchError>>,
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
    pub(crate) fn new(location: KeysLocation, min_interval: Duration, hook: Hook) -> Self {
        Self {
            fetcher: Fetcher::new(location.url(), hook),
            location,
            min_interval,
            keys: ArcSwapOption::empty(),
            last_error: std::sync::Mutex::new(Some(FetchError::NotFetchedYet)),
            last_fetch: Mutex::default(),
        }
    }

    /// Returns the keys of the last successful fetch.
    pub(crate) fn load(&self) -> Guard<Option<Arc<KeySet>>> {
        self.keys.load()
    }

    /// Returns the error of the last fetch.
    pub(crate) fn last_error(&self) -> Option<FetchError> {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches the keys because a token has an unknown key id. Concurrent callers share one fetch,
    /// and the minimum interval limits the number of fetches, so that made-up key ids cannot flood
    /// the issuer.
    ///
    /// # Errors
    /// [`VerifyError::UnknownKey`] if the issuer has no key with this id, and
    /// [`VerifyError::KeysUnavailable`] if no fetch was successful yet.
    pub(crate) async fn fetch_unknown(&self, kid: &str) -> Result<(), VerifyError> {
        let mut last = self.last_fetch.lock().await;
        let is_known = || match &*self.keys.load() {
            None => Err(VerifyError::KeysUnavailable),
            Some(keys) => keys.get(kid).map(drop).ok_or(VerifyError::UnknownKey),
        };
        let is_due = last.unknown_kid_at.is_none_or(|at| at.elapsed() >= self.min_interval);
        // The previous holder of the lock may have fetched the key.
        if is_known().is_err() && is_due {
            last.unknown_kid_at = Some(Instant::now());
            self.fetch_and_log(&mut last).await;
        }
        is_known()
    }

    /// Fetches until the first success, then at the interval, until the verifier is dropped.
    pub(crate) async fn refresh_periodically(this: Weak<Self>, interval: Duration) {
        let mut retry = FIRST_RETRY;
        loop {
            let Some(keys) = this.upgrade() else { return };
            keys.fetch_and_log(&mut *keys.last_fetch.lock().await).await;
            let pause = if keys.keys.load().is_some() { interval } else { retry };
            retry = (retry * 2).min(LAST_RETRY);
            // A reference held during the pause would keep a dropped verifier's keys alive.
            drop(keys);
            tokio::time::sleep(pause).await;
        }
    }

    async fn fetch_and_log(&self, last: &mut LastFetch) {
        let result = self.fetch(last).await;
        let error = result.as_ref().err().map(KeyFetchError::public);
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
        if let Err(error) = result {
            // The issuer may have moved its keys.
            last.jwks_url = None;
            last.etag = None;
            let consequence = match &*self.keys.load() {
                Some(_) => "the keys fetched last stay in use",
                None => "no token can be verified until a fetch succeeds",
            };
            let url = self.location.url();
            log::warn!("cannot fetch the keys of {url}: {}; {consequence}", chain(&error));
        }
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
