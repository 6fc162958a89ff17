//! The signing keys that all replicas share.
//!
//! Each replica reads the keys from the database once a second (`reload`). So every replica knows a
//! key that another replica or an operator adds before that key signs.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use shared::{Verifier, clock::Clock, keys::Algorithm};
use tokio::sync::{Mutex, SetOnce};

use super::{JwksDocument, Key, Secret};
use crate::{
    domain::{
        audit::Initiator,
        key_schedule::{KeyState, Schedule, states},
        token_lifetime::LongestLifetime,
    },
    health::{DependencyHealth, UnavailableReason},
    store::{Store, signing_keys::KeyRow},
};

/// How keys are created and when they sign.
#[derive(Clone, Debug)]
pub struct KeySettings {
    /// Algorithm of new keys. `None`: that of the current key.
    pub algorithm: Option<Algorithm>,
    pub schedule: Schedule,
    /// Lifetime of an access token. A retired key stays published for at least as long.
    pub token_lifetime: LongestLifetime,
}

/// The age of the current key, and the time until the next key replaces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAge {
    /// Time since the current key started to sign.
    pub age: Duration,
    /// Time until the next key takes over. `None` if no activation is scheduled.
    pub next_in: Option<Duration>,
}

/// The keys that this replica read last, and the document that publishes them.
pub(super) struct KnownKeys {
    /// In the order in which they were added.
    pub(super) keys: Vec<Arc<Key>>,
    pub(super) jwks: Arc<JwksDocument>,
}

impl KnownKeys {
    pub(super) fn new(keys: Vec<Arc<Key>>, now_ms: i64) -> Self {
        let jwks = Arc::new(JwksDocument::new(&keys, now_ms));
        Self { keys, jwks }
    }
}

/// The signing keys.
pub struct SigningKeys {
    pub(super) store: Store,
    pub(super) secret: Arc<Secret>,
    pub(super) clock: Clock,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) schedule: Schedule,
    /// Lifetime of the tokens of this replica, in milliseconds.
    pub(super) token_lifetime_ms: i64,
    pub(super) longest_lifetime: LongestLifetime,
    /// The initiator that the audit trail names for each change.
    pub(super) initiator: Initiator,
    pub(super) known: ArcSwap<KnownKeys>,
    /// Set once a key can sign.
    pub(super) loaded: SetOnce<()>,
    /// Receives the published keys, and verifies with them.
    pub(super) verifier: Verifier,
    pub(super) health: DependencyHealth,
    /// Time of the last reload that an unknown key id caused, and whether the database answered.
    pub(super) last_lookup: Mutex<Option<(Instant, bool)>>,
}

impl SigningKeys {
    /// Creates an empty set of keys. [`SigningKeys::update`] reads them from the database.
    pub fn new(
        settings: KeySettings,
        store: Store,
        secret: Arc<Secret>,
        clock: Clock,
        verifier: Verifier,
        initiator: Initiator,
    ) -> Self {
        let known = ArcSwap::from_pointee(KnownKeys::new(Vec::new(), clock.now_ms()));
        Self {
            store,
            secret,
            clock,
            algorithm: settings.algorithm,
            schedule: settings.schedule,
            token_lifetime_ms: settings.token_lifetime.own_ms(),
            longest_lifetime: settings.token_lifetime,
            initiator,
            known,
            loaded: SetOnce::new(),
            verifier,
            health: DependencyHealth::new("the store of signing keys"),
            last_lookup: Mutex::default(),
        }
    }

    /// Returns the key that signs now. `None` until the keys have been read.
    pub fn current(&self) -> Option<Arc<Key>> {
        let known = self.known.load();
        let states = self.states(&known.keys);
        let current = states.iter().position(|state| *state == KeyState::Current)?;
        Some(Arc::clone(&known.keys[current]))
    }

    /// Returns the algorithm of a new key for which no algorithm is named: of the setting, otherwise
    /// of the current key, otherwise of the key that was added last. A new version of the service
    /// with another default must not change the algorithm of tokens, because verifiers may accept
    /// only the old one.
    pub(super) fn new_key_algorithm(&self) -> Algorithm {
        let known_key = || self.current().or_else(|| self.known.load().keys.last().cloned());
        let in_use = || known_key().and_then(|key| key.row.algorithm.parse().ok());
        self.algorithm.or_else(in_use).unwrap_or_default()
    }

    /// Waits until a key can sign for the first time.
    pub async fn loaded(&self) {
        self.loaded.wait().await;
    }

    /// Checks that a key can sign.
    ///
    /// # Errors
    /// The reason why no key can sign, for `/readyz`.
    pub fn check(&self) -> Result<(), UnavailableReason> {
        if self.current().is_some() {
            return Ok(());
        }
        let not_read = UnavailableReason::Text("no key to sign with yet");
        Err(self.health.reason().unwrap_or(not_read))
    }

    /// Returns the age of the current key. `None` until the keys have been read.
    pub fn age(&self) -> Option<KeyAge> {
        let now = self.clock.now_ms();
        let active_since = self.current()?.row.times.activates_at_ms?;
        let known = self.known.load();
        let activations = known.keys.iter().filter_map(|key| key.row.times.activates_at_ms);
        let next_at = activations.filter(|at| *at > now).min();
        let millis = |ms: i64| Duration::from_millis(ms.max(0) as u64);
        let next_in = next_at.map(|at| millis(at - now));
        Some(KeyAge { age: millis(now - active_since), next_in })
    }

    /// Returns the document with the public keys that verify every unexpired token, and the tokens
    /// of the next key. `None` until the keys have been read.
    pub fn jwks(&self) -> Option<Arc<JwksDocument>> {
        let known = self.known.load();
        let now = self.clock.now_ms();
        let document = if known.jwks.is_valid_at(now) {
            Arc::clone(&known.jwks)
        } else {
            // A key has expired since the last reload. The next reload replaces the document.
            Arc::new(JwksDocument::new(&known.keys, now))
        };
        (!document.is_empty()).then_some(document)
    }

    /// Returns the state of each key now.
    pub(super) fn states(&self, known: &[Arc<Key>]) -> Vec<KeyState> {
        states(known.iter().map(|key| key.row.times), self.clock.now_ms())
    }
}

/// Returns the state of each key at a time.
pub(super) fn states_of(rows: &[KeyRow], now_ms: i64) -> Vec<KeyState> {
    states(rows.iter().map(|row| row.times), now_ms)
}
