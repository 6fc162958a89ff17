//! The changes that an operator makes to the signing keys (`auth-service keys`).

use std::time::Duration;

use shared::keys::Algorithm;

use super::{
    KeysError, SigningKey, SigningKeys, reload::RELOAD_INTERVAL, rotation::algorithm_of,
    signing_keys::states_of,
};
use crate::{
    domain::{
        audit::AuditEvent,
        key_schedule::{KeyState, KeyTimes},
    },
    store::signing_keys::{self as rows, KeyRow},
};

/// Time from an urgent rotation until the next key signs. Every replica must publish it first.
const URGENT_DELAY: Duration = Duration::from_secs(3);

/// The time at which a rotation activates the next key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Once the key has been published for KEY_PUBLISH_AHEAD.
    PublishedAhead,
    /// After [`URGENT_DELAY`]. Verifiers that do not look for an unknown key refuse its tokens
    /// until they fetch the keys again.
    Urgent,
}

/// A key as `auth-service keys` shows it.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    pub kid: String,
    pub algorithm: String,
    pub state: KeyState,
    pub times: KeyTimes,
}

impl KeyInfo {
    fn new(row: &KeyRow, state: KeyState) -> Self {
        Self { kid: row.kid.clone(), algorithm: row.algorithm.clone(), state, times: row.times }
    }
}

impl SigningKeys {
    /// Returns the keys in the order in which they were added, also keys that this secret does not
    /// open.
    ///
    /// # Errors
    /// [`KeysError::Store`], if the database does not answer.
    pub async fn list(&self) -> Result<Vec<KeyInfo>, KeysError> {
        let rows = self.store.run(rows::all).await?;
        let states = states_of(&rows, self.clock.now_ms());
        Ok(rows.iter().zip(states).map(|(row, state)| KeyInfo::new(row, state)).collect())
    }

    /// Returns the public key with this id, or of the current key, in PEM (SubjectPublicKeyInfo, RFC
    /// 7468 section 13).
    ///
    /// # Errors
    /// [`KeysError::UnknownKey`] or [`KeysError::NoKey`], and [`KeysError::DoesNotOpen`], if the
    /// current key was sealed with another secret.
    pub async fn public_pem(&self, kid: Option<&str>) -> Result<String, KeysError> {
        self.read().await?;
        let key = match kid {
            None => self.current().ok_or(KeysError::NoKey)?,
            Some(kid) => {
                let known = self.known.load();
                let key = known.keys.iter().find(|key| key.signing.kid() == kid).cloned();
                key.ok_or_else(|| KeysError::UnknownKey(kid.to_owned()))?
            }
        };
        Ok(key.signing.public_pem())
    }

    /// Generates and publishes a next key. If no other key exists, the new key signs at once.
    ///
    /// # Errors
    /// [`KeysError::NextExists`], if a next key exists.
    pub async fn generate(&self, algorithm: Option<Algorithm>) -> Result<KeyInfo, KeysError> {
        self.read().await?;
        let algorithm = algorithm.unwrap_or_else(|| self.new_key_algorithm());
        self.import(algorithm, SigningKey::generate(algorithm)).await
    }

    /// Publishes a given private key as next key. If no other key exists, the given key signs at
    /// once.
    ///
    /// # Errors
    /// [`KeysError::NextExists`], if a next key exists; [`KeysError::AlreadyExists`], if the given
    /// key is published already.
    pub async fn import(&self, algorithm: Algorithm, pkcs8: Vec<u8>) -> Result<KeyInfo, KeysError> {
        self.read().await?;
        if let Some(next) = self.next() {
            return Err(KeysError::NextExists(next.kid));
        }
        let kid = SigningKey::from_pkcs8(algorithm, &pkcs8).map(|key| key.kid().to_owned());
        let known = self.known.load_full();
        if let Some(known) = known.keys.iter().find(|key| Some(&key.row.kid) == kid.as_ref()) {
            return Err(KeysError::AlreadyExists(known.row.kid.clone()));
        }
        let last = self.last_number();
        let activates_at_ms = (last == 0).then(|| self.clock.now_ms());
        let added = self.add(last, pkcs8, algorithm, activates_at_ms).await?;
        let added = added.ok_or(KeysError::ConcurrentChange)?;
        let state = if activates_at_ms.is_some() { KeyState::Current } else { KeyState::Next };
        Ok(KeyInfo::new(&added, state))
    }

    /// Schedules the activation of the next key, and generates the key if no next key exists.
    ///
    /// # Errors
    /// [`KeysError::NextExists`], if the next key has another algorithm than `algorithm`.
    pub async fn rotate(
        &self,
        algorithm: Option<Algorithm>,
        activation: Activation,
    ) -> Result<KeyInfo, KeysError> {
        self.read().await?;
        let next = match self.next() {
            Some(next) if algorithm.is_some_and(|wanted| wanted.name() != next.algorithm) => {
                return Err(KeysError::NextExists(format!("{} ({})", next.kid, next.algorithm)));
            }
            Some(next) => next,
            None => {
                let algorithm = algorithm.unwrap_or_else(|| self.new_key_algorithm());
                self.add_next(self.last_number(), algorithm).await?
            }
        };
        let now = self.clock.now_ms();
        let at_ms = match activation {
            Activation::PublishedAhead => {
                now.max(self.schedule.earliest_activation(next.times.published_at_ms))
            }
            Activation::Urgent => now + URGENT_DELAY.as_millis() as i64,
        };
        self.activate(next.kid.clone(), at_ms).await?;
        let rotated = self.list().await?.into_iter().find(|key| key.kid == next.kid);
        rotated.ok_or(KeysError::ConcurrentChange)
    }

    /// Deletes a key before its last token has expired. Verifiers refuse its tokens once they have
    /// fetched the keys again. The key need not open with this secret.
    ///
    /// The current key is deleted only with `force`, and only after its successor signs.
    ///
    /// # Errors
    /// [`KeysError::IsCurrent`], [`KeysError::UnknownKey`], or [`KeysError::ConcurrentChange`].
    pub async fn retire(&self, kid: String, force: bool) -> Result<(), KeysError> {
        let rows = self.store.run(rows::all).await?;
        let states = states_of(&rows, self.clock.now_ms());
        let Some(index) = rows.iter().position(|row| row.kid == kid) else {
            return Err(KeysError::UnknownKey(kid));
        };
        if states[index] == KeyState::Current {
            if !force {
                return Err(KeysError::IsCurrent(kid));
            }
            self.replace_current(&rows, index).await?;
        }
        let row = rows[index].clone();
        let record = self.audit_record(AuditEvent::KeyRetired).detail(&row.kid);
        let delete = move |connection: &mut _| rows::delete(connection, &row);
        match self.store.audited_if(record, delete).await? {
            true => Ok(()),
            false => Err(KeysError::ConcurrentChange),
        }
    }

    /// Activates the successor of the current key `rows[index]`, and waits until every replica
    /// publishes the successor.
    async fn replace_current(&self, rows: &[KeyRow], index: usize) -> Result<(), KeysError> {
        let current = &rows[index];
        let last = &rows[rows.len() - 1];
        let successor = if last.kid == current.kid {
            self.add_next(last.number, algorithm_of(current)).await?.kid
        } else {
            last.kid.clone()
        };
        let at_ms = self.clock.now_ms() + URGENT_DELAY.as_millis() as i64;
        self.activate(successor.clone(), at_ms).await?;
        log::info!("waiting until every replica publishes the next key");
        tokio::time::sleep(URGENT_DELAY + RELOAD_INTERVAL).await;
        // The successor takes over the activation time of the current key, which is in the past by
        // every replica's clock. Otherwise a replica whose clock is behind would, once the current
        // key is deleted, sign with the key before it.
        let since_ms = current.times.activates_at_ms.unwrap_or(at_ms);
        self.activate(successor, since_ms).await?;
        Ok(())
    }

    /// Generates and publishes a key after the key with the number `last`.
    async fn add_next(&self, last: i64, algorithm: Algorithm) -> Result<KeyRow, KeysError> {
        let added = self.add(last, SigningKey::generate(algorithm), algorithm, None).await?;
        added.ok_or(KeysError::ConcurrentChange)
    }
}
