//! [`KeyStore`]: the keys of a verifier, given by the caller or fetched from the issuer.

use std::{
    fmt,
    sync::{Arc, OnceLock, Weak},
};

use arc_swap::{ArcSwapOption, Guard};

use super::{header::Header, jws::Jws};
use crate::{
    VerifyError,
    fetch_error::FetchFailure,
    keys::{JwkSet, KeySet, KeySource, RemoteKeys},
};

/// Where a verifier gets its keys.
#[derive(Debug)]
pub(super) enum KeyStore {
    /// The caller provides the keys.
    Given(GivenKeys),
    /// The verifier fetches the keys from the issuer.
    Remote(Arc<RemoteKeys>),
}

/// Keys that the caller provides, and the source of newer keys.
pub(super) struct GivenKeys {
    keys: ArcSwapOption<KeySet>,
    source: OnceLock<Weak<dyn KeySource>>,
}

impl fmt::Debug for GivenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.fmt(f)
    }
}

impl KeyStore {
    pub(super) fn given(jwks: &JwkSet) -> Self {
        let keys = ArcSwapOption::from_pointee(KeySet::from_jwks(jwks));
        Self::Given(GivenKeys { keys, source: OnceLock::new() })
    }

    /// Returns the current keys, without a lock and without a change of their reference count,
    /// which all cores would contend for.
    pub(super) fn load(&self) -> Guard<Option<Arc<KeySet>>> {
        match self {
            Self::Given(given) => given.keys.load(),
            Self::Remote(remote) => remote.load(),
        }
    }

    /// Returns the time until which the keys are used, in seconds since the Unix epoch.
    pub(super) fn usable_until(&self) -> i64 {
        match self {
            Self::Given(_) => i64::MAX,
            Self::Remote(remote) => remote.usable_until(),
        }
    }

    /// Returns `true` if at least one key is usable at `now`, in seconds since the Unix epoch.
    pub(super) fn has_keys(&self, now: i64) -> bool {
        now < self.usable_until() && self.load().as_ref().is_some_and(|keys| !keys.is_empty())
    }

    /// Returns why the last fetch failed. `None` after a successful fetch.
    pub(super) fn last_failure(&self) -> Option<FetchFailure> {
        match self {
            Self::Given(_) => None,
            Self::Remote(remote) => remote.last_failure(),
        }
    }

    /// Replaces given keys. Keeps the current set if the key ids are the same, and with it the
    /// cache of verified tokens. Does nothing if the keys are fetched.
    pub(super) fn set(&self, jwks: &JwkSet) {
        let Self::Given(given) = self else { return };
        let new = KeySet::from_jwks(jwks);
        let is_same = given.keys.load().as_ref().is_some_and(|old| old.has_same_ids(&new));
        if !is_same {
            given.keys.store(Some(Arc::new(new)));
        }
    }

    /// Sets the source of newer keys, once. Does nothing if the keys are fetched.
    pub(super) fn set_source(&self, source: Weak<dyn KeySource>) {
        if let Self::Given(given) = self {
            // The first source stays.
            let _ = given.source.set(source);
        }
    }

    /// Looks for the key of a token that was refused with `error`:
    /// [`VerifyError::UnknownKey`] or [`VerifyError::KeysUnavailable`].
    ///
    /// # Errors
    /// The final error, if verifying the token again is pointless.
    pub(super) async fn find_key(
        &self,
        token: &str,
        error: VerifyError,
    ) -> Result<(), VerifyError> {
        match self {
            Self::Remote(remote) => {
                let header = Jws::parse(token)?.decode_header()?;
                remote.fetch_unknown(Header::parse(&header)?.kid).await
            }
            Self::Given(given) => match given.source.get().and_then(Weak::upgrade) {
                Some(source) if error == VerifyError::UnknownKey => source.reload().await,
                _ => Err(error),
            },
        }
    }
}
