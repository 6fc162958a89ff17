//! An issuer's keys fetched over HTTP: at start, every few minutes, and when a token names one not seen before.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use jsonwebtoken::jwk::JwkSet;
use reqwest::{
    StatusCode,
    header::{ETAG, HeaderValue, IF_NONE_MATCH},
};
use tokio::sync::Mutex;

use super::KeySet;
use crate::VerifyError;

/// How long one fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// A JWKS is a few kilobytes. Anything larger is not one.
const MAX_JWKS_BYTES: u64 = 256 * 1024;
/// The first pause between attempts while there are no keys at all; it doubles up to the refresh interval.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The longest such pause.
const LAST_RETRY: Duration = Duration::from_secs(10);

/// The last good keys, read without a lock, and what fetches them.
#[derive(Debug)]
pub(crate) struct RemoteKeys {
    url: String,
    /// The least time between two fetches that unknown key ids cause.
    min_interval: Duration,
    client: reqwest::Client,
    keys: ArcSwapOption<KeySet>,
    /// Held during a fetch, so that there is one at a time.
    last: Mutex<LastFetch>,
}

#[derive(Debug, Default)]
struct LastFetch {
    at: Option<Instant>,
    etag: Option<HeaderValue>,
}

#[derive(Debug, thiserror::Error)]
enum FetchError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("the answer's status is {0}")]
    Status(StatusCode),
    #[error("the answer is not a JWKS: {0}")]
    Format(#[from] serde_json::Error),
    #[error("the answer is larger than a JWKS may be")]
    TooLarge,
    #[error("the JWKS holds no key that can be used")]
    Empty,
}

impl RemoteKeys {
    pub(crate) fn new(url: String, min_interval: Duration) -> Self {
        let client = reqwest::Client::builder()
            .timeout(FETCH_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .unwrap_or_default();
        Self { url, min_interval, client, keys: ArcSwapOption::empty(), last: Mutex::default() }
    }

    /// The keys as last fetched.
    pub(crate) fn current(&self) -> arc_swap::Guard<Option<Arc<KeySet>>> {
        self.keys.load()
    }

    /// Fetches the keys because a token named one that is not among them: one fetch for all who ask at once, and
    /// at most one per interval, so that a flood of made-up ids causes no flood of fetches.
    pub(crate) async fn look_for(&self, kid: &str) -> Result<Arc<KeySet>, VerifyError> {
        let mut last = self.last.lock().await;
        let known =
            |keys: &Option<Arc<KeySet>>| keys.as_ref().filter(|keys| keys.get(kid).is_some()).map(Arc::clone);
        // Whoever held the lock before may have fetched it.
        if let Some(keys) = known(&self.keys.load()) {
            return Ok(keys);
        }
        if last.at.is_none_or(|at| at.elapsed() >= self.min_interval) {
            self.fetch_and_log(&mut last).await;
        }
        let keys = self.keys.load();
        match &*keys {
            None => Err(VerifyError::KeysUnavailable),
            keys => known(keys).ok_or(VerifyError::UnknownKey),
        }
    }

    /// Fetches until there are keys, then every `interval`, until the verifier is dropped.
    pub(crate) async fn keep_fresh(this: Weak<Self>, interval: Duration) {
        let mut retry = FIRST_RETRY;
        loop {
            let pause = match this.upgrade() {
                None => return,
                Some(keys) => {
                    keys.fetch_and_log(&mut *keys.last.lock().await).await;
                    if keys.keys.load().is_some() {
                        interval
                    } else {
                        retry = (retry * 2).min(LAST_RETRY);
                        retry / 2
                    }
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn fetch_and_log(&self, last: &mut LastFetch) {
        if let Err(why) = self.fetch(last).await {
            let kept = match &*self.keys.load() {
                Some(_) => "the keys fetched last stay in use",
                None => "no token can be verified until it answers",
            };
            log::warn!("cannot fetch the keys from {}: {}; {kept}", self.url, chain(&why));
        }
    }

    async fn fetch(&self, last: &mut LastFetch) -> Result<(), FetchError> {
        last.at = Some(Instant::now());
        let mut request = self.client.get(&self.url);
        if let Some(etag) = &last.etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let mut response = request.send().await?;
        match response.status() {
            StatusCode::NOT_MODIFIED => return Ok(()),
            StatusCode::OK => {}
            other => return Err(FetchError::Status(other)),
        }
        let etag = response.headers().get(ETAG).cloned();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() as u64 > MAX_JWKS_BYTES {
                return Err(FetchError::TooLarge);
            }
        }
        let keys = KeySet::from_jwks(&serde_json::from_slice::<JwkSet>(&body)?);
        if keys.is_empty() {
            return Err(FetchError::Empty);
        }
        self.keys.store(Some(Arc::new(keys)));
        last.etag = etag;
        Ok(())
    }
}

/// An error with its causes: reqwest's own text says only that something went wrong.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
