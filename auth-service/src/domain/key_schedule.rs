//! Which key signs, and which keys are published, at a given time.
//!
//! Only times decide, so replicas that know the same keys agree without communicating. A key is
//! published before it signs, for as long as verifiers may keep the keys they have fetched. It
//! stays published after its successor signs, until every token that it signed has expired.

use std::time::Duration;

/// Time that a retired key is published after its last token has expired, because a verifier's
/// clock may be behind.
const MARGIN_MS: i64 = 300_000;

/// The times that decide on a key. Times are milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    pub published_at_ms: i64,
    /// Time from which the key signs. `None`: the key waits for an operator to rotate.
    pub activates_at_ms: Option<i64>,
    /// Maximum lifetime of a token that the key signed, in milliseconds.
    pub token_lifetime_ms: i64,
}

/// The state of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// The key is published, so that verifiers know it before it signs.
    Next,
    /// The key signs.
    Current,
    /// The key no longer signs. It is published for the tokens that it signed.
    Retired {
        /// Time at which the last of those tokens has expired.
        until_ms: i64,
    },
}

impl KeyState {
    /// Returns the name that operators see.
    pub fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retired { .. } => "retired",
        }
    }
}

/// Returns the states of keys at `now_ms`. The keys are in the order in which they were added. At
/// most one key is current.
pub fn states(keys: impl IntoIterator<Item = KeyTimes>, now_ms: i64) -> Vec<KeyState> {
    let keys: Vec<KeyTimes> = keys.into_iter().collect();
    let is_active = |key: &KeyTimes| key.activates_at_ms.is_some_and(|at| at <= now_ms);
    let current = keys.iter().rposition(is_active);
    let state = |index| match current {
        Some(current) if index == current => KeyState::Current,
        Some(current) if index < current => {
            // `Some`, because the current key is a later key with an activation time.
            let until_ms = publication_end(&keys, index).unwrap_or(now_ms);
            KeyState::Retired { until_ms }
        }
        _ => KeyState::Next,
    };
    (0..keys.len()).map(state).collect()
}

/// Returns the time at which each key leaves the published set. `None` if no later key is scheduled
/// to sign. The keys are in the order in which they were added.
pub fn published_until(keys: impl IntoIterator<Item = KeyTimes>) -> Vec<Option<i64>> {
    let keys: Vec<KeyTimes> = keys.into_iter().collect();
    (0..keys.len()).map(|index| publication_end(&keys, index)).collect()
}

/// Returns the time at which the last token of a key has expired, with [`MARGIN_MS`]. A key stops
/// signing when the first of the later keys activates.
fn publication_end(keys: &[KeyTimes], index: usize) -> Option<i64> {
    let later = &keys[index + 1..];
    let stops_signing_at = later.iter().filter_map(|key| key.activates_at_ms).min()?;
    let last_expiry = stops_signing_at.saturating_add(keys[index].token_lifetime_ms);
    Some(last_expiry.saturating_add(MARGIN_MS))
}

/// The rotation schedule.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Time that a key is published before it signs.
    pub publish_ahead: Duration,
    /// Time that a key signs. `None`: until an operator rotates.
    pub interval: Option<Duration>,
}

impl Schedule {
    /// Returns the earliest time at which a key that was published at `published_at_ms` may sign.
    pub fn earliest_activation(&self, published_at_ms: i64) -> i64 {
        published_at_ms.saturating_add(self.publish_ahead.as_millis() as i64)
    }

    /// Returns the time at which the successor of the current key activates, once it is time to
    /// publish the successor. `None` before that time, and without an interval.
    pub fn successor_due(&self, current: &KeyTimes, now_ms: i64) -> Option<i64> {
        let interval_ms = self.interval?.as_millis() as i64;
        let ends_at_ms = current.activates_at_ms?.saturating_add(interval_ms);
        let publish_at_ms = ends_at_ms - self.publish_ahead.as_millis() as i64;
        let is_due = publish_at_ms <= now_ms;
        is_due.then(|| ends_at_ms.max(self.earliest_activation(now_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: i64 = 1000;

    fn key(activates_at_ms: Option<i64>) -> KeyTimes {
        KeyTimes { published_at_ms: 0, activates_at_ms, token_lifetime_ms: LIFETIME }
    }

    #[test]
    fn key_is_current_from_its_activation_until_that_of_the_next_key() {
        let keys = [key(Some(0)), key(Some(50)), key(None)];
        assert_eq!(states(keys, 49), [KeyState::Current, KeyState::Next, KeyState::Next]);
        let retired = KeyState::Retired { until_ms: 50 + LIFETIME + MARGIN_MS };
        assert_eq!(states(keys, 50), [retired, KeyState::Current, KeyState::Next]);
        assert_eq!(states([keys[2]], 50), [KeyState::Next]);
        assert_eq!(states([], 50), []);
    }

    #[test]
    fn key_that_was_passed_over_is_retired() {
        let keys = [key(Some(0)), key(None), key(Some(20)), key(Some(60))];
        let retired = KeyState::Retired { until_ms: 20 + LIFETIME + MARGIN_MS };
        assert_eq!(states(keys, 30), [retired, retired, KeyState::Current, KeyState::Next]);
    }

    #[test]
    fn key_is_published_until_its_last_token_has_expired() {
        let keys = [key(Some(0)), key(None), key(Some(20)), key(Some(60)), key(None)];
        let first = Some(20 + LIFETIME + MARGIN_MS);
        let third = Some(60 + LIFETIME + MARGIN_MS);
        assert_eq!(published_until(keys), [first, first, third, None, None]);
        assert_eq!(published_until([]), []);
    }

    #[test]
    fn successor_is_due_early_enough_to_be_published_ahead() {
        let publish_ahead = Duration::from_millis(10);
        let interval = Some(Duration::from_millis(100));
        let schedule = Schedule { publish_ahead, interval };
        let current = key(Some(1000));
        assert_eq!(schedule.successor_due(&current, 1089), None);
        assert_eq!(schedule.successor_due(&current, 1090), Some(1100));
        assert_eq!(schedule.successor_due(&current, 1500), Some(1510), "no replica ran in time");
        let without_interval = Schedule { interval: None, ..schedule };
        assert_eq!(without_interval.successor_due(&current, 9999), None);
    }
}
