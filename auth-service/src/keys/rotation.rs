//! Changes to the signing keys: those that are due, and those that an operator asks for.

use std::time::Duration;

use jiff::Timestamp;
use shared::keys::Algorithm;

use super::{
    signing_key::SigningKey,
    signing_keys::{KeysError, SigningKeys, TICK},
};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord},
        key_schedule::{KeyState, KeyTimes, states},
    },
    store::{
        StoreError,
        signing_keys::{self as rows, KeyRow},
    },
};

/// How far ahead a rotation is that cannot wait: every replica must publish the key first.
const AT_ONCE: Duration = Duration::from_secs(3);

/// A key as an operator sees it.
#[derive(Clone, Debug)]
pub struct KeyInfo {
    pub kid: String,
    pub algorithm: String,
    pub state: KeyState,
    pub times: KeyTimes,
}

impl SigningKeys {
    /// Says whether it changed anything.
    pub(super) async fn apply_schedule(&self) -> Result<bool, KeysError> {
        let (known, now) = (self.known.load_full(), self.clock.now_ms());
        let states = self.states(&known);
        let next = self.next();
        let last = self.last_number();
        let Some(current) = states.iter().position(|state| *state == KeyState::Current) else {
            // Nothing signs: the first start, or a key that had to be retired at once.
            match next {
                Some(next) => self.activate(next.kid, now).await?,
                None => {
                    self.add(last, SigningKey::generate(self.algorithm), self.algorithm, Some(now)).await?;
                }
            }
            return Ok(true);
        };
        let current = &known[current].row;
        if let Some(at_ms) = self.schedule.due(&current.times, now) {
            match next {
                None => {
                    // Of its own kind: another algorithm is an operator's to choose.
                    let algorithm = current.algorithm.parse().unwrap_or(self.algorithm);
                    self.add(last, SigningKey::generate(algorithm), algorithm, Some(at_ms)).await?;
                    return Ok(true);
                }
                Some(next) if next.times.activates_at_ms.is_none() => {
                    let at_ms = at_ms.max(self.schedule.earliest_activation(next.times.published_at_ms));
                    self.activate(next.kid, at_ms).await?;
                    return Ok(true);
                }
                Some(_) => {}
            }
        }
        let (from, lifetime) = (current.number, self.token_lifetime_ms);
        if known.iter().any(|key| key.row.number >= from && key.row.times.token_lifetime_ms < lifetime) {
            let extend = move |connection: &mut _| rows::extend_token_lifetime(connection, from, lifetime);
            self.store.run(extend).await?;
            return Ok(true);
        }
        let is_over = |state: &KeyState| matches!(state, KeyState::Retired { until_ms } if *until_ms <= now);
        let mut over = known.iter().zip(&states).filter(|(_, state)| is_over(state));
        match over.next().map(|(key, _)| key.row.clone()) {
            Some(row) => Ok(self.store.run(move |connection| rows::delete(connection, &row)).await?),
            None => Ok(false),
        }
    }

    /// Adds a key after the one of this number. Of several that try, one succeeds; the others have nothing.
    async fn add(
        &self,
        last: i64,
        pkcs8: Vec<u8>,
        algorithm: Algorithm,
        activates_at_ms: Option<i64>,
    ) -> Result<Option<KeyRow>, KeysError> {
        let key = SigningKey::from_pkcs8(algorithm, &pkcs8).expect("a key that was read or made just now");
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
        let record = self.record(AuditEvent::KeyPublished).detail(format!("{} {}", row.kid, row.algorithm));
        let insert = move |connection: &mut _| {
            let inserted = rows::insert(connection, &row)?;
            Ok((inserted, inserted.then_some(record)))
        };
        let inserted = self.store.audited(insert).await?;
        Ok(inserted.then_some(added))
    }

    async fn activate(&self, kid: String, at_ms: i64) -> Result<(), StoreError> {
        let from = Timestamp::from_second(at_ms.div_euclid(1000)).unwrap_or_default();
        let record = self.record(AuditEvent::KeyActivated).detail(format!("{kid} signs from {from} on"));
        let activate = move |connection: &mut _| {
            let changed = rows::activate(connection, &kid, at_ms)?;
            Ok(((), changed.then_some(record)))
        };
        self.store.audited(activate).await
    }

    fn record(&self, event: AuditEvent) -> AuditRecord {
        AuditRecord::new(event, self.by.clone(), self.clock.now_ms())
    }

    /// The keys, in the order they were added. They need not open.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn list(&self) -> Result<Vec<KeyInfo>, KeysError> {
        let rows = self.store.run(rows::all).await?;
        let states = states_of(&rows, self.clock.now_ms());
        Ok(rows.iter().zip(states).map(|(row, state)| key_info(row, state)).collect())
    }

    fn last_number(&self) -> i64 {
        self.known.load().last().map_or(0, |last| last.row.number)
    }

    fn next(&self) -> Option<KeyRow> {
        let known = self.known.load();
        let next = self.states(&known).iter().position(|state| *state == KeyState::Next)?;
        Some(known[next].row.clone())
    }

    /// Publishes a new next key. The first of all signs at once.
    ///
    /// # Errors
    /// [`KeysError::NextExists`]: there is at most one.
    pub async fn generate(&self, algorithm: Option<Algorithm>) -> Result<KeyInfo, KeysError> {
        let algorithm = algorithm.unwrap_or(self.algorithm);
        self.import(algorithm, SigningKey::generate(algorithm)).await
    }

    /// Publishes this next key, as [`SigningKeys::generate`] does a new one.
    ///
    /// # Errors
    /// [`KeysError::NextExists`]: there is at most one.
    pub async fn import(&self, algorithm: Algorithm, pkcs8: Vec<u8>) -> Result<KeyInfo, KeysError> {
        self.adopt(self.store.run(rows::all).await?)?;
        if let Some(next) = self.next() {
            return Err(KeysError::NextExists(next.kid));
        }
        let kid = SigningKey::from_pkcs8(algorithm, &pkcs8).map(|key| key.kid().to_owned());
        if let Some(known) = self.known.load().iter().find(|key| Some(&key.row.kid) == kid.as_ref()) {
            return Err(KeysError::Exists(known.row.kid.clone()));
        }
        let last = self.last_number();
        let first = (last == 0).then(|| self.clock.now_ms());
        let added = self.add(last, pkcs8, algorithm, first).await?.ok_or(KeysError::Contended)?;
        Ok(key_info(&added, if first.is_some() { KeyState::Current } else { KeyState::Next }))
    }

    /// Lets the next key take over, as soon as it has been published long enough, or `at_once`. Makes it if there is
    /// none. Says which it is.
    ///
    /// # Errors
    /// [`KeysError::NextExists`], if it is there and of another algorithm than the one asked for.
    pub async fn rotate(&self, algorithm: Option<Algorithm>, at_once: bool) -> Result<KeyInfo, KeysError> {
        self.adopt(self.store.run(rows::all).await?)?;
        let next = match self.next() {
            Some(next) if algorithm.is_some_and(|wanted| wanted.name() != next.algorithm) => {
                return Err(KeysError::NextExists(format!("{} ({})", next.kid, next.algorithm)));
            }
            Some(next) => next,
            None => {
                let algorithm = algorithm.unwrap_or(self.algorithm);
                let pkcs8 = SigningKey::generate(algorithm);
                let added = self.add(self.last_number(), pkcs8, algorithm, None).await?;
                added.ok_or(KeysError::Contended)?
            }
        };
        let now = self.clock.now_ms();
        let at_ms = if at_once {
            now + AT_ONCE.as_millis() as i64
        } else {
            now.max(self.schedule.earliest_activation(next.times.published_at_ms))
        };
        self.activate(next.kid.clone(), at_ms).await?;
        self.list().await?.into_iter().find(|key| key.kid == next.kid).ok_or(KeysError::Contended)
    }

    /// Takes a key out of use, whatever it signed: tokens that name it are refused as soon as verifiers fetch the keys
    /// anew. The current one only by `force`, and only after another has taken its place, for which every replica must
    /// publish that first. It need not open.
    ///
    /// # Errors
    /// [`KeysError::Current`], [`KeysError::Unknown`], or [`KeysError::Contended`].
    pub async fn retire(&self, kid: String, force: bool) -> Result<(), KeysError> {
        let (rows, now) = (self.store.run(rows::all).await?, self.clock.now_ms());
        let states = states_of(&rows, now);
        let Some(index) = rows.iter().position(|row| row.kid == kid) else {
            return Err(KeysError::Unknown(kid));
        };
        if states[index] == KeyState::Current {
            if !force {
                return Err(KeysError::Current(kid));
            }
            let last = &rows[rows.len() - 1];
            let successor = if last.kid == kid {
                let algorithm = rows[index].algorithm.parse().unwrap_or(self.algorithm);
                let added = self.add(last.number, SigningKey::generate(algorithm), algorithm, None).await?;
                added.ok_or(KeysError::Contended)?.kid
            } else {
                last.kid.clone()
            };
            self.activate(successor.clone(), now + AT_ONCE.as_millis() as i64).await?;
            log::info!("waiting until every replica publishes its successor");
            tokio::time::sleep(AT_ONCE + TICK).await;
            // Since when the old one signs is past by every clock. Else one that is behind would see the one before it
            // sign again.
            self.activate(successor, rows[index].times.activates_at_ms.unwrap_or(now)).await?;
        }
        let row = rows[index].clone();
        let record = self.record(AuditEvent::KeyRetired).detail(&row.kid);
        let delete = move |connection: &mut _| {
            let deleted = rows::delete(connection, &row)?;
            Ok((deleted, deleted.then_some(record)))
        };
        if self.store.audited(delete).await? { Ok(()) } else { Err(KeysError::Contended) }
    }
}

fn states_of(rows: &[KeyRow], now_ms: i64) -> Vec<KeyState> {
    states(rows.iter().map(|row| row.times), now_ms)
}

fn key_info(row: &KeyRow, state: KeyState) -> KeyInfo {
    KeyInfo { kid: row.kid.clone(), algorithm: row.algorithm.clone(), state, times: row.times }
}
