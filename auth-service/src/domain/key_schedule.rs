//! Which key signs, and which are published, at any time: decided by times alone, so that replicas that know the same
//! keys agree without a word.
//!
//! A key is published before it signs, for as long as verifiers may keep the keys they have fetched, and stays published
//! after its successor has taken over, until everything it signed has expired.

use std::time::Duration;

/// How much longer a retired key is published than its last token lives: verifiers' clocks may be behind.
const MARGIN_MS: i64 = 300_000;

/// What decides on a key. Times are milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyTimes {
    pub published_at_ms: i64,
    /// From when on it signs. `None`: it waits for a rotation.
    pub activates_at_ms: Option<i64>,
    /// The longest that a token lives which it signed, in milliseconds.
    pub token_lifetime_ms: i64,
}

/// What a key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// Published, so that verifiers know it by the time it signs.
    Next,
    /// It signs.
    Current,
    /// It signs no more, and is published for what it signed.
    Retired {
        /// Until everything it signed has expired.
        until_ms: i64,
    },
}

impl KeyState {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Current => "current",
            Self::Retired { .. } => "retired",
        }
    }
}

/// The states at `now_ms` of keys in the order they were added. At most one is current.
pub fn states(keys: impl IntoIterator<Item = KeyTimes>, now_ms: i64) -> Vec<KeyState> {
    let keys: Vec<KeyTimes> = keys.into_iter().collect();
    let has_begun = |key: &KeyTimes| key.activates_at_ms.is_some_and(|at| at <= now_ms);
    let current = keys.iter().rposition(has_begun);
    let state = |(index, key): (usize, &KeyTimes)| match current {
        Some(current) if index == current => KeyState::Current,
        Some(current) if index < current => {
            // It signed until any of those after it began to.
            let ended = keys[index + 1..].iter().filter_map(|after| after.activates_at_ms).min();
            let until_ms =
                ended.unwrap_or(now_ms).saturating_add(key.token_lifetime_ms).saturating_add(MARGIN_MS);
            KeyState::Retired { until_ms }
        }
        _ => KeyState::Next,
    };
    keys.iter().enumerate().map(state).collect()
}

/// How keys follow one another.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// How long a key is published before it signs.
    pub publish_ahead: Duration,
    /// How long a key signs. `None`: until somebody rotates.
    pub interval: Option<Duration>,
}

impl Schedule {
    /// When a key that was published then may begin to sign.
    pub fn earliest_activation(&self, published_at_ms: i64) -> i64 {
        published_at_ms.saturating_add(self.publish_ahead.as_millis() as i64)
    }

    /// When the successor of the current key is to take over, if it is time to publish it.
    pub fn due(&self, current: &KeyTimes, now_ms: i64) -> Option<i64> {
        let ends_at_ms = current.activates_at_ms?.saturating_add(self.interval?.as_millis() as i64);
        let publish_at_ms = ends_at_ms - self.publish_ahead.as_millis() as i64;
        (publish_at_ms <= now_ms).then(|| ends_at_ms.max(self.earliest_activation(now_ms)))
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
    fn one_key_is_current_from_its_activation_until_the_next_ones() {
        let keys = [key(Some(0)), key(Some(50)), key(None)];
        assert_eq!(states(keys, 49), [KeyState::Current, KeyState::Next, KeyState::Next]);
        let until_ms = 50 + LIFETIME + MARGIN_MS;
        assert_eq!(states(keys, 50), [KeyState::Retired { until_ms }, KeyState::Current, KeyState::Next]);
        assert_eq!(states([keys[2]], 50), [KeyState::Next]);
        assert_eq!(states([], 50), []);
    }

    #[test]
    fn a_key_that_was_passed_over_is_retired() {
        let keys = [key(Some(0)), key(None), key(Some(20)), key(Some(60))];
        let until_ms = 20 + LIFETIME + MARGIN_MS;
        let retired = KeyState::Retired { until_ms };
        assert_eq!(states(keys, 30), [retired, retired, KeyState::Current, KeyState::Next]);
    }

    #[test]
    fn a_successor_is_due_early_enough_to_be_published_ahead() {
        let schedule =
            Schedule { publish_ahead: Duration::from_millis(10), interval: Some(Duration::from_millis(100)) };
        let current = key(Some(1000));
        assert_eq!(schedule.due(&current, 1089), None);
        assert_eq!(schedule.due(&current, 1090), Some(1100));
        assert_eq!(schedule.due(&current, 1500), Some(1510), "nobody was there when it was due");
        assert_eq!(Schedule { interval: None, ..schedule }.due(&current, 9999), None);
    }
}
