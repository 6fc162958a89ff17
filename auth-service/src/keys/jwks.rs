//! The JWKS document: the public keys that this replica publishes (RFC 7517 section 5).

use std::{ops::Range, sync::Arc};

use shared::keys::JwkSet;

use super::key::Key;
use crate::domain::key_schedule::published_until;

/// The published keys, serialised once for all requests.
pub struct JwksDocument {
    pub(super) keys: JwkSet,
    /// The document as JSON.
    pub body: String,
    /// The entity tag, with its quotes.
    pub etag: String,
    /// The times in which exactly these of the known keys are published, in milliseconds since the
    /// Unix epoch.
    valid_ms: Range<i64>,
}

impl JwksDocument {
    /// Returns the document for the known keys as of `now_ms`.
    pub fn new(known: &[Arc<Key>], now_ms: i64) -> Self {
        let ends = published_until(known.iter().map(|key| key.row.times));
        let mut valid_ms = i64::MIN..i64::MAX;
        let mut published = Vec::new();
        for (key, end_ms) in known.iter().zip(ends) {
            match end_ms {
                Some(end_ms) if end_ms <= now_ms => valid_ms.start = valid_ms.start.max(end_ms),
                end_ms => {
                    valid_ms.end = valid_ms.end.min(end_ms.unwrap_or(i64::MAX));
                    published.push(key);
                }
            }
        }
        // A key id is the thumbprint of its key, so the ids identify the content.
        let kids: Vec<&str> = published.iter().map(|key| key.signing.kid()).collect();
        let etag = format!("\"{}\"", kids.join("."));
        let keys = JwkSet { keys: published.iter().map(|key| key.signing.jwk().clone()).collect() };
        let body = serde_json::to_string(&keys).expect("a JWK consists of strings");
        Self { keys, body, etag, valid_ms }
    }

    /// Returns `true` if no known key joins or leaves the document between its creation and
    /// `now_ms`.
    pub(super) fn is_valid_at(&self, now_ms: i64) -> bool {
        self.valid_ms.contains(&now_ms)
    }

    /// Returns `true` if no key is published.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.keys.is_empty()
    }
}
