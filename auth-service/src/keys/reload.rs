//! Reading the keys from the database: once a second, and when a token names an unknown key.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;
use shared::{VerifyError, keys::KeySource};

use super::{
    Key, KeysError, SigningKeys,
    signing_keys::{KnownKeys, states_of},
};
use crate::{
    domain::key_schedule::KeyState,
    store::signing_keys::{self as rows, KeyRow},
};

/// Time between two reads of the keys.
pub(super) const RELOAD_INTERVAL: Duration = Duration::from_secs(1);

/// Time between two reads while no key is known.
const FIRST_RELOAD_INTERVAL: Duration = Duration::from_millis(50);

/// Minimum time between two reads that tokens with unknown key ids cause.
const LOOKUP_INTERVAL: Duration = Duration::from_millis(200);

impl KeySource for SigningKeys {
    /// Reads the keys, because another replica may sign with a key that this one does not know yet.
    fn reload(&self) -> BoxFuture<'_, Result<(), VerifyError>> {
        Box::pin(async {
            let mut last_lookup = self.last_lookup.lock().await;
            let recent = last_lookup.filter(|(at, _)| at.elapsed() < LOOKUP_INTERVAL);
            let answered = match recent {
                Some((_, answered)) => answered,
                None => {
                    let answered = !matches!(self.update().await, Err(KeysError::Store(_)));
                    *last_lookup = Some((Instant::now(), answered));
                    answered
                }
            };
            if answered { Ok(()) } else { Err(VerifyError::KeysUnavailable) }
        })
    }
}

impl SigningKeys {
    /// Updates the keys once a second, until `this` is dropped.
    pub async fn maintain(this: Weak<Self>) {
        while let Some(keys) = this.upgrade() {
            if keys.store.is_migrated() {
                // A separate task, so that a panic does not end this loop. The update logs its
                // errors, and the next iteration tries again.
                let keys = Arc::clone(&keys);
                let _ = tokio::spawn(async move { keys.update().await }).await;
            }
            let is_empty = keys.known.load().keys.is_empty();
            let pause = if is_empty { FIRST_RELOAD_INTERVAL } else { RELOAD_INTERVAL };
            let store = keys.store.clone();
            drop(keys);
            store.pause(pause).await;
        }
    }

    /// Reads the keys, and applies the rotation schedule: creates the first key, publishes and
    /// activates the next one, deletes expired ones.
    ///
    /// # Errors
    /// [`KeysError`]. The keys that were read before stay in use.
    pub async fn update(&self) -> Result<(), KeysError> {
        let before = self.current();
        let updated = self.try_update().await;
        match &updated {
            Ok(()) => self.log_new_current_key(before.as_deref()),
            // The store has logged its own error.
            Err(KeysError::Store(_)) => {}
            Err(why) => self.health.record_failure(why, why.reason()),
        }
        updated
    }

    async fn try_update(&self) -> Result<(), KeysError> {
        self.read().await?;
        if self.apply_schedule().await? {
            self.read().await?;
        }
        Ok(())
    }

    /// Reads the keys.
    pub(super) async fn read(&self) -> Result<(), KeysError> {
        self.adopt(self.store.run(rows::all).await?)
    }

    fn log_new_current_key(&self, before: Option<&Key>) {
        if let Some(Key { row, .. }) = self.current().as_deref()
            && before.is_none_or(|before| before.row.kid != row.kid)
        {
            log::info!("current signing key: {} ({})", row.kid, row.algorithm);
        }
    }

    /// Uses the keys in `rows` from now on, and publishes them. Opens only rows that are new or
    /// have changed.
    ///
    /// # Errors
    /// [`KeysError::DoesNotOpen`], if the current key does not open. Another key that does not open
    /// is logged and skipped.
    pub(super) fn adopt(&self, rows: Vec<KeyRow>) -> Result<(), KeysError> {
        let before = self.known.load();
        let now = self.clock.now_ms();
        let lifetimes = rows.iter().map(|row| row.times.token_lifetime_ms);
        self.longest_lifetime.record(lifetimes.max().unwrap_or_default());
        let open = |row: KeyRow| match before.keys.iter().find(|key| key.row == row) {
            Some(known) => Ok(Arc::clone(known)),
            None => Key::open(row, &self.secret).map(Arc::new),
        };
        let states = states_of(&rows, now);
        let mut opens_all = true;
        let mut keys = Vec::with_capacity(rows.len());
        for (row, state) in rows.into_iter().zip(states) {
            match open(row) {
                Ok(key) => keys.push(key),
                Err(why) if state == KeyState::Current => return Err(why),
                Err(why) => {
                    opens_all = false;
                    self.health.record_failure(&why, why.reason());
                }
            }
        }
        if opens_all {
            self.health.record_success();
        }
        let is_unchanged = keys.len() == before.keys.len()
            && keys.iter().zip(&before.keys).all(|(key, before)| Arc::ptr_eq(key, before));
        if !is_unchanged || !before.jwks.is_valid_at(now) {
            self.known.store(Arc::new(KnownKeys::new(keys, now)));
        }
        // On every reload, because two of them may run at the same time. The verifier keeps what it
        // has verified while the key ids are unchanged.
        self.verifier.set_keys(&self.known.load().jwks.keys);
        if self.current().is_some() {
            // Fails if an earlier reload has set it.
            let _ = self.loaded.set(());
        }
        Ok(())
    }
}
