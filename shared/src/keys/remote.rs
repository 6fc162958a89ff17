//! An issuer's keys fetched over HTTP, from where its metadata says they are: at start, every few minutes, and when a
//! token names one not seen before.

use std::{
    sync::{Arc, PoisonError, Weak},
    time::{Duration, Instant},
};

use arc_swap::{ArcSwapOption, Guard};
use jsonwebtoken::jwk::JwkSet;
use reqwest::{
    StatusCode, Url,
    header::{ETAG, HeaderValue, IF_NONE_MATCH},
};
use serde::Deserialize;
use tokio::sync::Mutex;

use super::KeySet;
use crate::{
    FetchError, VerifyError,
    http::{chain, is_loopback},
    request_hook::Hook,
};

/// How long one fetch may take.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Metadata and keys are a few kilobytes. Anything larger is neither.
const MAX_BYTES: usize = 256 * 1024;
/// The first pause between attempts while there are no keys at all. It doubles each time.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The longest such pause.
const LAST_RETRY: Duration = Duration::from_secs(10);

/// Where an issuer's keys are.
#[derive(Debug)]
pub(crate) enum Source {
    /// Where its metadata says (RFC 8414).
    Issuer(String),
    /// At this URL.
    Jwks(String),
}

/// The last good keys, read without a lock, and what fetches them.
#[derive(Debug)]
pub(crate) struct RemoteKeys {
    source: Source,
    /// The least time between two fetches that unknown key ids cause.
    min_interval: Duration,
    client: reqwest::Client,
    hook: Hook,
    keys: ArcSwapOption<KeySet>,
    /// Of the last fetch.
    last_error: std::sync::Mutex<Option<FetchError>>,
    /// Held during a fetch, so that there is one at a time.
    last: Mutex<LastFetch>,
}

/// What the last fetch brought.
#[derive(Debug, Default)]
struct LastFetch {
    /// When a token's unknown key id caused it.
    looked_at: Option<Instant>,
    jwks_url: Option<String>,
    etag: Option<HeaderValue>,
    body: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
enum KeyFetchError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("{0} answers {1}")]
    Status(String, StatusCode),
    #[error("what {0} answers is larger than it may be")]
    TooLarge(String),
    #[error("the issuer is not a URL")]
    Issuer,
    #[error("the metadata is not an issuer's: {0}")]
    Metadata(serde_json::Error),
    #[error("the metadata is that of another issuer, {0}")]
    OtherIssuer(String),
    #[error("the keys are not a JWKS: {0}")]
    Jwks(serde_json::Error),
    #[error("the JWKS holds no key that can be used")]
    NoKeys,
}

impl KeyFetchError {
    fn public(&self) -> FetchError {
        match self {
            Self::Http(why) => FetchError::of(why, FETCH_TIMEOUT),
            Self::Status(_, status) => FetchError::Status(status.as_u16()),
            Self::OtherIssuer(_) => FetchError::IssuerMismatch,
            Self::TooLarge(_) | Self::Issuer | Self::Metadata(_) | Self::Jwks(_) | Self::NoKeys => {
                FetchError::InvalidResponse
            }
        }
    }
}

/// What is needed of an issuer's metadata (RFC 8414 section 2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

impl RemoteKeys {
    pub(crate) fn new(source: Source, min_interval: Duration, hook: Hook) -> Self {
        let (Source::Issuer(url) | Source::Jwks(url)) = &source;
        let mut client =
            reqwest::Client::builder().timeout(FETCH_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if is_loopback(url) {
            // No proxy could reach it.
            client = client.no_proxy();
        }
        let client = client.build().unwrap_or_default();
        Self {
            source,
            min_interval,
            client,
            hook,
            keys: ArcSwapOption::empty(),
            last_error: std::sync::Mutex::new(Some(FetchError::NotFetchedYet)),
            last: Mutex::default(),
        }
    }

    /// The keys as last fetched.
    pub(crate) fn current(&self) -> Guard<Option<Arc<KeySet>>> {
        self.keys.load()
    }

    /// What was wrong with the last fetch.
    pub(crate) fn last_error(&self) -> Option<FetchError> {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches the keys because a token named one that is not among them: one fetch for all who ask at once, and at
    /// most one per interval, so that a flood of made-up ids causes no flood of fetches.
    ///
    /// # Errors
    /// If it is not among them then either.
    pub(crate) async fn look_for(&self, kid: &str) -> Result<(), VerifyError> {
        let mut last = self.last.lock().await;
        let is_known = || match &*self.keys.load() {
            None => Err(VerifyError::KeysUnavailable),
            Some(keys) => keys.get(kid).map(drop).ok_or(VerifyError::UnknownKey),
        };
        // Whoever held the lock before may have fetched it.
        if is_known().is_err() && last.looked_at.is_none_or(|at| at.elapsed() >= self.min_interval) {
            last.looked_at = Some(Instant::now());
            self.fetch_and_log(&mut last).await;
        }
        is_known()
    }

    /// Fetches until there are keys, then every `interval`, until the verifier is dropped.
    pub(crate) async fn keep_fresh(this: Weak<Self>, interval: Duration) {
        let mut retry = FIRST_RETRY;
        loop {
            let Some(keys) = this.upgrade() else { return };
            keys.fetch_and_log(&mut *keys.last.lock().await).await;
            let pause = if keys.keys.load().is_some() { interval } else { retry };
            retry = (retry * 2).min(LAST_RETRY);
            // Not held while asleep: it would keep alive what nobody uses any more.
            drop(keys);
            tokio::time::sleep(pause).await;
        }
    }

    async fn fetch_and_log(&self, last: &mut LastFetch) {
        let fetched = self.fetch(last).await;
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) =
            fetched.as_ref().err().map(KeyFetchError::public);
        if let Err(why) = fetched {
            // The issuer may have moved them.
            last.jwks_url = None;
            last.etag = None;
            let kept = match &*self.keys.load() {
                Some(_) => "the keys fetched last stay in use",
                None => "no token can be verified until it answers",
            };
            let (Source::Issuer(url) | Source::Jwks(url)) = &self.source;
            log::warn!("cannot fetch the keys of {url}: {}; {kept}", chain(&why));
        }
    }

    async fn fetch(&self, last: &mut LastFetch) -> Result<(), KeyFetchError> {
        let url = match (&self.source, &last.jwks_url) {
            (Source::Jwks(url), _) | (_, Some(url)) => url.clone(),
            (Source::Issuer(issuer), None) => self.find_jwks(issuer).await?,
        };
        let Some((body, etag)) = self.get(&url, last.etag.as_ref()).await? else { return Ok(()) };
        // Unchanged keys stay the same value, so that what was verified with them stays verified.
        if body != last.body || self.keys.load().is_none() {
            let jwks: JwkSet = serde_json::from_slice(&body).map_err(KeyFetchError::Jwks)?;
            let keys = KeySet::from_jwks(&jwks);
            if keys.is_empty() {
                return Err(KeyFetchError::NoKeys);
            }
            self.keys.store(Some(Arc::new(keys)));
        }
        *last = LastFetch { looked_at: last.looked_at, jwks_url: Some(url), etag, body };
        Ok(())
    }

    /// Where the issuer says its keys are. OpenID Connect's name for its metadata is tried second.
    async fn find_jwks(&self, issuer: &str) -> Result<String, KeyFetchError> {
        let answer = match self.get(&well_known(issuer, "oauth-authorization-server")?, None).await {
            Err(KeyFetchError::Status(..)) => {
                let openid = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
                self.get(&openid, None).await
            }
            answer => answer,
        };
        let (body, _) = answer?.unwrap_or_default();
        let metadata: Metadata = serde_json::from_slice(&body).map_err(KeyFetchError::Metadata)?;
        // Else one issuer could speak for another (RFC 8414 section 3.3).
        if metadata.issuer == issuer {
            Ok(metadata.jwks_uri)
        } else {
            Err(KeyFetchError::OtherIssuer(metadata.issuer))
        }
    }

    /// The body at `url` with its ETag, or `None` if it is still the one with this ETag.
    async fn get(
        &self,
        url: &str,
        etag: Option<&HeaderValue>,
    ) -> Result<Option<(Vec<u8>, Option<HeaderValue>)>, KeyFetchError> {
        let mut request = self.client.get(url);
        if let Some(etag) = etag {
            request = request.header(IF_NONE_MATCH, etag);
        }
        let mut response = self.hook.send(request).await?;
        match response.status() {
            StatusCode::NOT_MODIFIED if etag.is_some() => return Ok(None),
            StatusCode::OK => {}
            other => return Err(KeyFetchError::Status(url.into(), other)),
        }
        let etag = response.headers().get(ETAG).cloned();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await? {
            body.extend_from_slice(&chunk);
            if body.len() > MAX_BYTES {
                return Err(KeyFetchError::TooLarge(url.into()));
            }
        }
        Ok(Some((body, etag)))
    }
}

/// Where an issuer's metadata is: the well-known part stands before the issuer's own path (RFC 8414 section 3.1).
fn well_known(issuer: &str, name: &str) -> Result<String, KeyFetchError> {
    let mut url = Url::parse(issuer).map_err(|_| KeyFetchError::Issuer)?;
    let path = format!("/.well-known/{name}{}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url.into())
}
