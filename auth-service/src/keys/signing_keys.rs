//! The signing keys that all replicas share: read from the database again and again, so that a key which one replica
//! or an operator adds is known to all before it signs. `rotation` changes them.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use futures_util::future::BoxFuture;
use shared::{
    Verifier, VerifyError,
    claims::ACCESS_TOKEN_TYP,
    clock::Clock,
    keys::{Algorithm, Jwk, JwkSet, KeySource},
};

use tokio::sync::Mutex;

use super::{secret::Secret, signing_key::SigningKey};
use crate::tokens::compact;
use crate::{
    config::Settings,
    domain::{
        audit::Initiator,
        key_schedule::{KeyState, Schedule, states},
    },
    health::{DependencyHealth, UnavailableReason},
    store::{
        Store, StoreError,
        signing_keys::{self as rows, KeyRow},
    },
};

/// How often the keys are read.
pub(super) const TICK: Duration = Duration::from_secs(1);
/// The same, while there are none.
const FIRST_TICK: Duration = Duration::from_millis(50);
/// Why the keys cannot be used or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Sealed with another secret, or damaged.
    #[error("the key {0} in the database does not open with this secret (SECRET_KEY_FILE)")]
    Sealed(String),
    /// There is a next key, and it is not what was asked for.
    #[error("there is a next key already: {0}. Rotate to it, or retire it")]
    NextExists(String),
    /// The key that was to be added.
    #[error("the key {0} is there already")]
    Exists(String),
    /// A key that is in use.
    #[error("{0} is the current key: rotate first, or say --force")]
    Current(String),
    /// A key that is not there.
    #[error("there is no key {0}")]
    Unknown(String),
    /// Somebody else changes the keys at the same time.
    #[error("somebody else is changing the keys: look at them, and try again")]
    Contended,
}

impl KeysError {
    /// In words for an operator.
    fn reason(&self) -> UnavailableReason {
        match self {
            Self::Sealed(kid) => UnavailableReason::WrongSecret(kid.clone()),
            _ => UnavailableReason::Text("the keys cannot be read: the log says why"),
        }
    }
}

/// How old the current key is, and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyAge {
    /// For how long it has been signing.
    pub age: Duration,
    /// When the next one takes over, if there is one that is told to.
    pub next_in: Option<Duration>,
}

/// A key that this replica knows.
pub struct Key {
    pub(super) row: KeyRow,
    signing: SigningKey,
    /// What every token that it signs begins with.
    start: String,
}

impl Key {
    fn open(row: KeyRow, secret: &Secret) -> Result<Self, KeysError> {
        let sealed = || KeysError::Sealed(row.kid.clone());
        let algorithm: Algorithm = row.algorithm.parse().map_err(|_| sealed())?;
        let pkcs8 = secret.open(&row.kid, &row.sealed).ok_or_else(sealed)?;
        let signing = SigningKey::from_pkcs8(algorithm, &pkcs8).ok_or_else(sealed)?;
        if signing.kid() != row.kid {
            return Err(sealed());
        }
        let header =
            serde_json::json!({"alg": algorithm.name(), "typ": ACCESS_TOKEN_TYP, "kid": signing.kid()});
        Ok(Self { row, signing, start: compact::start(&header.to_string()) })
    }

    /// The token that says this.
    pub fn sign(&self, claims: &[u8]) -> String {
        compact::token(&self.start, claims, |signed| self.signing.sign(signed))
    }
}

/// The signing keys.
pub struct SigningKeys {
    pub(super) store: Store,
    pub(super) secret: Arc<Secret>,
    pub(super) clock: Clock,
    /// Of keys to come.
    pub(super) algorithm: Algorithm,
    pub(super) schedule: Schedule,
    /// Who changes them.
    pub(super) by: Initiator,
    pub(super) token_lifetime_ms: i64,
    pub(super) known: ArcSwap<Vec<Arc<Key>>>,
    /// Verifies with the keys that are published.
    verifier: Verifier,
    health: DependencyHealth,
    /// When a token's unknown key last caused a look, and whether the database answered.
    looked: Mutex<Option<(Instant, bool)>>,
}

/// The least time between two looks for a key that a token names.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);

impl KeySource for SigningKeys {
    /// Another replica may have begun to sign with a key that this one has not read yet.
    fn reload(&self) -> BoxFuture<'_, Result<(), VerifyError>> {
        Box::pin(async {
            let mut looked = self.looked.lock().await;
            let recently = looked.filter(|(at, _)| at.elapsed() < LOOK_INTERVAL);
            let answered = match recently {
                Some((_, answered)) => answered,
                None => {
                    let answered = !matches!(self.refresh().await, Err(KeysError::Store(_)));
                    *looked = Some((Instant::now(), answered));
                    answered
                }
            };
            if answered { Ok(()) } else { Err(VerifyError::KeysUnavailable) }
        })
    }
}

impl SigningKeys {
    /// No keys yet: [`SigningKeys::refresh`] reads them.
    pub fn new(
        settings: &Settings,
        store: Store,
        secret: Arc<Secret>,
        clock: Clock,
        verifier: Verifier,
        by: Initiator,
    ) -> Self {
        Self {
            store,
            secret,
            clock,
            algorithm: settings.signing_algorithm,
            schedule: Schedule {
                publish_ahead: settings.key_publish_ahead,
                interval: settings.key_rotation_interval,
            },
            token_lifetime_ms: settings.access_token_lifetime.as_millis() as i64,
            by,
            known: ArcSwap::default(),
            verifier,
            health: DependencyHealth::new("the store of signing keys"),
            looked: Mutex::default(),
        }
    }

    /// The key that signs now. `None` until the keys have been read.
    pub fn current(&self) -> Option<Arc<Key>> {
        let known = self.known.load();
        let current = self.states(&known).iter().position(|state| *state == KeyState::Current)?;
        Some(Arc::clone(&known[current]))
    }

    /// Whether there is a key that signs.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), UnavailableReason> {
        match self.current() {
            Some(_) => Ok(()),
            None => Err(self.health.reason().unwrap_or(UnavailableReason::Text("no key to sign with yet"))),
        }
    }

    /// How old the key that signs now is. `None` until the keys have been read.
    pub fn age(&self) -> Option<KeyAge> {
        let now = self.clock.now_ms();
        let began = self.current()?.row.times.activates_at_ms?;
        let known = self.known.load();
        let to_come = known.iter().filter_map(|key| key.row.times.activates_at_ms).filter(|at| *at > now);
        let next_at = to_come.min();
        let millis = |ms: i64| Duration::from_millis(ms.max(0) as u64);
        Some(KeyAge { age: millis(now - began), next_in: next_at.map(|at| millis(at - now)) })
    }

    /// The public keys that verify what has not expired yet, and what is about to be signed.
    pub fn published(&self) -> Vec<Jwk> {
        let known = self.known.load();
        let states = self.states(&known);
        let now = self.clock.now_ms();
        let published =
            |state: &KeyState| !matches!(state, KeyState::Retired { until_ms } if *until_ms <= now);
        known
            .iter()
            .zip(states)
            .filter(|(_, state)| published(state))
            .map(|(key, _)| key.signing.jwk())
            .collect()
    }

    pub(super) fn states(&self, known: &[Arc<Key>]) -> Vec<KeyState> {
        states(known.iter().map(|key| key.row.times), self.clock.now_ms())
    }

    /// Reads the keys, again and again, until `this` is dropped.
    pub async fn maintain(this: Weak<Self>) {
        while let Some(keys) = this.upgrade() {
            // What fails is in the log, and is tried again.
            if keys.store.is_migrated() {
                // On its own, so that a panic does not end this as well.
                let keys = Arc::clone(&keys);
                let _ = tokio::spawn(async move { keys.refresh().await }).await;
            }
            let pause = if keys.known.load().is_empty() { FIRST_TICK } else { TICK };
            let store = keys.store.clone();
            drop(keys);
            store.pause(pause).await;
        }
    }

    /// Reads the keys, and does what is due: makes the first, publishes the next, deletes those nothing is left of.
    ///
    /// # Errors
    /// [`KeysError`]. The keys read last stay in use.
    pub async fn refresh(&self) -> Result<(), KeysError> {
        let before = self.current();
        let refreshed = self.try_refresh().await;
        match &refreshed {
            Ok(()) => {
                self.health.record_success();
                self.log_change(before.as_deref());
            }
            // Said where it was noticed.
            Err(KeysError::Store(_)) => {}
            Err(why) => self.health.record_failure(why, why.reason()),
        }
        refreshed
    }

    fn log_change(&self, before: Option<&Key>) {
        if let Some(Key { row, .. }) = self.current().as_deref()
            && before.is_none_or(|before| before.row.kid != row.kid)
        {
            log::info!("the key that signs is {} ({})", row.kid, row.algorithm);
        }
    }

    async fn try_refresh(&self) -> Result<(), KeysError> {
        self.adopt(self.store.run(rows::all).await?)?;
        if self.apply_schedule().await? {
            self.adopt(self.store.run(rows::all).await?)?;
        }
        Ok(())
    }

    /// Uses these keys from now on. Those known already are not opened again. One that does not open is passed over, unless
    /// it is the one that is to sign.
    pub(super) fn adopt(&self, rows: Vec<KeyRow>) -> Result<(), KeysError> {
        let before = self.known.load();
        let key = |row: KeyRow| match before.iter().find(|key| key.row == row) {
            Some(known) => Ok(Arc::clone(known)),
            None => Key::open(row, &self.secret).map(Arc::new),
        };
        let states = states(rows.iter().map(|row| row.times), self.clock.now_ms());
        let mut known = Vec::with_capacity(rows.len());
        for (row, state) in rows.into_iter().zip(states) {
            match key(row) {
                Ok(key) => known.push(key),
                Err(why) if state == KeyState::Current => return Err(why),
                Err(why) => self.health.record_failure(&why, why.reason()),
            }
        }
        self.known.store(Arc::new(known));
        // Unchanged keys are left alone there: what was verified with them stays verified.
        self.verifier.set_keys(&JwkSet { keys: self.published() });
        Ok(())
    }
}
