//! [`KeySet`]: the usable keys of a JWKS.

use std::{
    collections::HashMap,
    sync::atomic::{AtomicU64, Ordering},
};

use jsonwebtoken::jwk::JwkSet;

use super::PublicKey;

/// Public keys of an issuer, by key id.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: HashMap<String, PublicKey>,
    version: u64,
}

impl KeySet {
    /// Returns the usable keys of a JWKS, and ignores the others (RFC 7517 section 5).
    pub fn from_jwks(jwks: &JwkSet) -> Self {
        static NEXT_VERSION: AtomicU64 = AtomicU64::new(1);
        let usable = jwks.keys.iter().filter_map(|jwk| {
            PublicKey::from_jwk(jwk)
                .inspect_err(|error| log::debug!("ignoring a key of the JWKS: {error}"))
                .ok()
        });
        let version = NEXT_VERSION.fetch_add(1, Ordering::Relaxed);
        Self { keys: usable.collect(), version }
    }

    /// Returns the version of this set, which no other set of this process has. Only the default
    /// sets, which are empty, share the version 0.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Returns the key with this id.
    pub fn get(&self, kid: &str) -> Option<&PublicKey> {
        self.keys.get(kid)
    }

    /// Returns `true` if both sets have the same key ids. The sets are then equal if key ids are
    /// thumbprints (RFC 7638), as in auth-service.
    pub fn has_same_ids(&self, other: &Self) -> bool {
        self.keys.len() == other.keys.len()
            && self.keys.keys().all(|kid| other.keys.contains_key(kid))
    }

    /// Returns `true` if the set has no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}
