//! The JWKS document: the public keys that this replica publishes (RFC 7517 section 5).

use std::{ops::Range, sync::Arc};

use shared::keys::JwkSet;

use super::Key;
use crate::{domain::key_schedule::published_until, store::signing_keys::KeyRow};

/// The published keys, serialised once for all requests.
pub struct JwksDocument {
    pub(super) keys: JwkSet,
    /// The document as JSON.
    pub body: String,
    /// The entity tag, with its quotes.
    pub etag: String,
    /// The algorithms of the published keys, each once.
    pub algorithms: Vec<String>,
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
        let mut algorithms: Vec<String> = Vec::new();
        for KeyRow { algorithm, .. } in published.iter().map(|key| &key.row) {
            if !algorithms.contains(algorithm) {
                algorithms.push(algorithm.clone());
            }
        }
        let keys = JwkSet { keys: published.iter().map(|key| key.signing.jwk().clone()).collect() };
        let body = serde_json::to_string(&keys).expect("a JWK consists of strings");
        Self { keys, body, etag, algorithms, valid_ms }
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

#[cfg(test)]
mod tests {
    use shared::keys::Algorithm;

    use super::*;
    use crate::{
        domain::key_schedule::KeyTimes,
        keys::{Secret, SigningKey},
    };

    /// The tokens of this key live for a second.
    fn key(activates_at_ms: i64) -> Arc<Key> {
        let secret = Secret::derive_from(&["a secret that is long enough"]);
        let pkcs8 = SigningKey::generate(Algorithm::EdDSA);
        let kid = SigningKey::from_pkcs8(Algorithm::EdDSA, &pkcs8).unwrap().kid().to_owned();
        let sealed = secret.seal(&kid, &pkcs8);
        let algorithm = "EdDSA".to_owned();
        let activates_at_ms = Some(activates_at_ms);
        let times = KeyTimes { published_at_ms: 0, activates_at_ms, token_lifetime_ms: 1000 };
        let row = KeyRow { number: 1, kid, algorithm, sealed, times };
        Arc::new(Key::open(row, &secret).unwrap())
    }

    fn kids(document: &JwksDocument) -> Vec<String> {
        let json: serde_json::Value = serde_json::from_str(&document.body).unwrap();
        let keys = json["keys"].as_array().unwrap();
        keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn document_is_valid_until_a_key_leaves_it() {
        let known = [key(0), key(5000)];
        let old = known[0].row.kid.clone();
        let new = known[1].row.kid.clone();
        // The activation of the second key, the lifetime of a token, and the margin.
        let end_ms = 5000 + 1000 + 300_000;

        let both = JwksDocument::new(&known, end_ms - 1);
        assert_eq!(kids(&both), [old.as_str(), new.as_str()]);
        assert_eq!(both.etag, format!("\"{old}.{new}\""));
        assert_eq!(both.algorithms, ["EdDSA"]);
        assert!(both.is_valid_at(0) && both.is_valid_at(end_ms - 1) && !both.is_valid_at(end_ms));

        let one = JwksDocument::new(&known, end_ms);
        assert_eq!(kids(&one), [new.as_str()]);
        assert_eq!(one.etag, format!("\"{new}\""));
        assert!(one.is_valid_at(end_ms) && !one.is_valid_at(end_ms - 1));
    }

    #[test]
    fn document_without_keys_is_empty() {
        assert!(JwksDocument::new(&[], 0).is_empty());
    }
}
