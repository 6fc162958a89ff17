//! The rotation schedule: the changes that each replica makes to the keys without an operator.

use std::sync::Arc;

use shared::keys::Algorithm;

use super::{Key, KeysError, SigningKey, SigningKeys};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord},
        key_schedule::{KeyState, KeyTimes},
        time::to_second,
    },
    store::{
        StoreError,
        signing_keys::{self as rows, KeyRow},
    },
};

/// Returns the algorithm of a stored key. Every version of the service knows the algorithms of the
/// versions before it.
pub(super) fn algorithm_of(row: &KeyRow) -> Algorithm {
    row.algorithm.parse().unwrap_or_default()
}

impl SigningKeys {
    /// Makes at most one change that is due. Returns `true` if it made one, or if another replica
    /// made the same change first: the caller then reads the keys again.
    pub(super) async fn apply_schedule(&self) -> Result<bool, KeysError> {
        let known = self.known.load_full();
        let states = self.states(&known.keys);
        let current = states.iter().position(|state| *state == KeyState::Current);
        let Some(current) = current.map(|index| &known.keys[index].row) else {
            self.start_signing().await?;
            return Ok(true);
        };
        if self.schedule_successor(current).await? {
            return Ok(true);
        }
        if self.extend_lifetime(&known.keys, current.number).await? {
            return Ok(true);
        }
        self.delete_expired(&known.keys).await
    }

    /// Activates a key at once. No key is current at the first start, and after an operator retired
    /// the current key by force.
    async fn start_signing(&self) -> Result<(), KeysError> {
        let now = self.clock.now_ms();
        match self.next() {
            Some(next) => self.activate(next.kid, now).await?,
            None => {
                let algorithm = self.new_key_algorithm();
                let pkcs8 = SigningKey::generate(algorithm);
                self.add(self.last_number(), pkcs8, algorithm, Some(now)).await?;
            }
        }
        Ok(())
    }

    /// Publishes the successor of `current` and schedules its activation, if it is time to.
    async fn schedule_successor(&self, current: &KeyRow) -> Result<bool, KeysError> {
        let now = self.clock.now_ms();
        let Some(at_ms) = self.schedule.successor_due(&current.times, now) else {
            return Ok(false);
        };
        match self.next() {
            None => {
                // The algorithm of the current key: only an operator changes the algorithm.
                let algorithm = algorithm_of(current);
                let pkcs8 = SigningKey::generate(algorithm);
                self.add(self.last_number(), pkcs8, algorithm, Some(at_ms)).await?;
                Ok(true)
            }
            Some(next) if next.times.activates_at_ms.is_none() => {
                let earliest = self.schedule.earliest_activation(next.times.published_at_ms);
                self.activate(next.kid, at_ms.max(earliest)).await?;
                Ok(true)
            }
            Some(_) => Ok(false),
        }
    }

    /// Raises the recorded token lifetime of the current key and of later keys, if this replica
    /// issues tokens that live longer. Otherwise a key could leave the JWKS before its last token
    /// expires.
    async fn extend_lifetime(&self, known: &[Arc<Key>], current: i64) -> Result<bool, KeysError> {
        let lifetime = self.token_lifetime_ms;
        let mut rows = known.iter().map(|key| &key.row).filter(|row| row.number >= current);
        if rows.all(|row| row.times.token_lifetime_ms >= lifetime) {
            return Ok(false);
        }
        let extend = move |connection: &mut _| {
            rows::extend_token_lifetime(connection, current, lifetime)?;
            Ok(true)
        };
        Ok(self.store.run(extend).await?)
    }

    /// Deletes one key whose last token has expired.
    async fn delete_expired(&self, known: &[Arc<Key>]) -> Result<bool, KeysError> {
        let now = self.clock.now_ms();
        let is_expired =
            |state: &KeyState| matches!(state, KeyState::Retired { until_ms } if *until_ms <= now);
        let Some(index) = self.states(known).iter().position(is_expired) else {
            return Ok(false);
        };
        let row = known[index].row.clone();
        Ok(self.store.run(move |connection| rows::delete(connection, &row)).await?)
    }

    /// Adds a key after the key with the number `last`. If several processes add a key after the
    /// same key, one succeeds, and the others get `None`.
    pub(super) async fn add(
        &self,
        last: i64,
        pkcs8: Vec<u8>,
        algorithm: Algorithm,
        activates_at_ms: Option<i64>,
    ) -> Result<Option<KeyRow>, KeysError> {
        let key = SigningKey::from_pkcs8(algorithm, &pkcs8).expect("a valid private key");
        let row = KeyRow {
            number: last.saturating_add(1),
            kid: key.kid().to_owned(),
            algorithm: algorithm.name().to_owned(),
            sealed: self.secret.seal(key.kid(), &pkcs8),
            times: KeyTimes {
                published_at_ms: self.clock.now_ms(),
                activates_at_ms,
                token_lifetime_ms: self.token_lifetime_ms,
            },
        };
        let added = row.clone();
        let record = self.audit_record(AuditEvent::KeyPublished);
        let record = record.detail(format!("{} {}", row.kid, row.algorithm));
        let insert = move |connection: &mut _| rows::insert(connection, &row);
        let inserted = self.store.audited_if(record, insert).await?;
        Ok(inserted.then_some(added))
    }

    /// Schedules the activation of a key, unless an earlier activation is scheduled.
    pub(super) async fn activate(&self, kid: String, at_ms: i64) -> Result<(), StoreError> {
        let record = self.audit_record(AuditEvent::KeyActivated);
        let record = record.detail(format!("{kid} signs from {}", to_second(at_ms)));
        let activate = move |connection: &mut _| rows::activate(connection, &kid, at_ms);
        self.store.audited_if(record, activate).await.map(drop)
    }

    pub(super) fn audit_record(&self, event: AuditEvent) -> AuditRecord {
        AuditRecord::new(event, self.initiator.clone(), self.clock.now_ms())
    }

    /// Returns the number of the key that was added last. 0 if no key is known.
    pub(super) fn last_number(&self) -> i64 {
        self.known.load().keys.last().map_or(0, |last| last.row.number)
    }

    /// Returns the published key that signs after the current one.
    pub(super) fn next(&self) -> Option<KeyRow> {
        let known = self.known.load();
        let states = self.states(&known.keys);
        let next = states.iter().position(|state| *state == KeyState::Next)?;
        Some(known.keys[next].row.clone())
    }
}
