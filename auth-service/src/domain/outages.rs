//! Times in which no refresh could be answered: a client whose answer was lost could not repeat its
//! request then, so these times are no part of the grace period.

use std::sync::{Mutex, PoisonError};

/// Time without a sign of a process that answers refreshes, in milliseconds, from which the time
/// counts as an outage. `session_state/*.lua` has the same number.
pub const MIN_SILENCE_MS: i64 = 3000;

/// Maximum number of remembered outages.
const MAX_OUTAGES: usize = 8;

/// The most recent outages, in order. Times are milliseconds since the Unix epoch.
#[derive(Debug, Default)]
pub struct Outages(Mutex<Vec<Outage>>);

#[derive(Clone, Copy, Debug)]
struct Outage {
    from_ms: i64,
    until_ms: i64,
}

impl Outages {
    /// Records an outage that ends now, at `until_ms`. Outages that overlap become one.
    pub fn record(&self, from_ms: i64, until_ms: i64) {
        let mut outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outage = Outage { from_ms, until_ms };
        while let Some(last) = outages.pop_if(|last| last.until_ms >= outage.from_ms) {
            outage.from_ms = outage.from_ms.min(last.from_ms);
        }
        outages.push(outage);
        if outages.len() > MAX_OUTAGES {
            outages.remove(0);
        }
    }

    /// Returns how long the outages lasted between two times, in milliseconds.
    pub fn between(&self, from_ms: i64, until_ms: i64) -> i64 {
        let outages = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let part =
            |outage: &Outage| (outage.until_ms.min(until_ms) - outage.from_ms.max(from_ms)).max(0);
        outages.iter().map(part).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_between_the_two_times_counts() {
        let outages = Outages::default();
        outages.record(100, 200);
        outages.record(300, 400);
        // Overlaps the last one.
        outages.record(350, 500);
        assert_eq!(outages.between(0, 1000), 300);
        assert_eq!(outages.between(150, 320), 70);
        assert_eq!(outages.between(200, 300), 0);
        for number in 1..=8 {
            outages.record(number * 1000, number * 1000 + 10);
        }
        assert_eq!(outages.between(0, 100_000), 80, "the oldest outages are forgotten");
    }
}
