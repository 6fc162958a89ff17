//! The HTTP requests: for the issuer's metadata (RFC 8414) and for its JWKS (RFC 7517).

use std::time::Duration;

use reqwest::{
    Client, StatusCode,
    header::{ETAG, HeaderValue, IF_NONE_MATCH},
};
use serde::Deserialize;

use crate::{
    FetchError, discovery::metadata_urls, http, issuer::without_trailing_slash, request_hook::Hook,
};

/// Maximum time of one request.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum size of a response. Metadata and keys are a few kilobytes.
const MAX_BYTES: usize = 256 * 1024;

/// Error of a fetch, with details for the log.
#[derive(Debug, thiserror::Error)]
pub(super) enum KeyFetchError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("{0} answered {1}")]
    Status(String, StatusCode),
    #[error("the answer of {0} is larger than {MAX_BYTES} bytes")]
    TooLarge(String),
    #[error("the issuer is not a URL")]
    Issuer,
    #[error("the issuer's metadata is not valid: {0}")]
    Metadata(serde_json::Error),
    #[error("the metadata belongs to another issuer, {0}: build the verifier with this URL")]
    OtherIssuer(String),
    #[error("the answer is not a JWKS: {0}")]
    Jwks(serde_json::Error),
    #[error("the JWKS has no usable key")]
    NoKeys,
}

impl KeyFetchError {
    /// Returns the error without addresses and other details, for a health check.
    pub(super) fn public(&self) -> FetchError {
        match self {
            Self::Http(error) => FetchError::from_reqwest(error, FETCH_TIMEOUT),
            Self::Status(_, status) => FetchError::Status(status.as_u16()),
            Self::OtherIssuer(_) => FetchError::IssuerMismatch,
            Self::TooLarge(_) | Self::Issuer | Self::Metadata(_) | Self::Jwks(_) | Self::NoKeys => {
                FetchError::InvalidResponse
            }
        }
    }
}

/// The members of an issuer's metadata that the verifier needs (RFC 8414 section 2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// Sends the requests for metadata and keys.
#[derive(Debug)]
pub(super) struct Fetcher {
    client: Client,
    hook: Hook,
}

impl Fetcher {
    /// Returns a fetcher for requests to the host of `url`.
    pub(super) fn new(url: &str, hook: Hook) -> Self {
        // No connection is used twice: behind a balancer of connections, a kept one would lead to
        // the same replica each time.
        let builder = Client::builder().timeout(FETCH_TIMEOUT).pool_max_idle_per_host(0);
        Self { client: http::client(url, builder), hook }
    }

    /// Returns the URL of the JWKS from the metadata of an issuer, whose URL has no trailing slash.
    /// Tries OAuth's path first, then that of OpenID Connect.
    pub(super) async fn find_jwks(&self, issuer: &str) -> Result<String, KeyFetchError> {
        let [oauth, openid] = metadata_urls(issuer).ok_or(KeyFetchError::Issuer)?;
        let response = match self.get(&oauth, None).await {
            Err(KeyFetchError::Status(..)) => self.get(&openid, None).await,
            response => response,
        };
        let (body, _) = response?.unwrap_or_default();
        let metadata: Metadata = serde_json::from_slice(&body).map_err(KeyFetchError::Metadata)?;
        // Otherwise one issuer could publish keys for another (RFC 8414 section 3.3).
        if without_trailing_slash(&metadata.issuer) != issuer {
            return Err(KeyFetchError::OtherIssuer(metadata.issuer));
        }
        Ok(metadata.jwks_uri)
    }

    /// Returns the body at `url` and its ETag, or `None` if the body with this `etag` is current.
    pub(super) async fn get(
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
