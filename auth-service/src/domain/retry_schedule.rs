//! When a message of the outbox is sent again after a failure.

use std::time::Duration;

/// Delay after the first failure.
const FIRST_DELAY: Duration = Duration::from_secs(10);
/// Maximum delay. A mail server that is back is noticed after this time at the latest.
const MAX_DELAY: Duration = Duration::from_secs(3600);

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// Another attempt, after this delay.
    After(Duration),
    /// No further attempt.
    GiveUp,
}

impl Retry {
    /// Returns what follows the failure of attempt number `attempts`, the first being 1, of a
    /// message of this age. The delay doubles with each attempt. `jitter`, from 0 to 1, spreads the
    /// attempts of messages that failed together over the second half of the delay.
    pub fn after_failure(attempts: i64, age: Duration, give_up: Duration, jitter: f64) -> Self {
        let doublings = (attempts - 1).clamp(0, 20) as u32;
        let delay = FIRST_DELAY.saturating_mul(1 << doublings).min(MAX_DELAY);
        let delay = delay.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
        if age + delay > give_up { Self::GiveUp } else { Self::After(delay) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86400);

    #[test]
    fn delay_doubles_up_to_an_hour() {
        let delay = |attempts| Retry::after_failure(attempts, Duration::ZERO, DAY, 1.0);
        assert_eq!(delay(1), Retry::After(Duration::from_secs(10)));
        assert_eq!(delay(4), Retry::After(Duration::from_secs(80)));
        assert_eq!(delay(10), Retry::After(MAX_DELAY));
        assert_eq!(delay(i64::MAX), Retry::After(MAX_DELAY));
    }

    #[test]
    fn jitter_spreads_attempts_over_half_of_the_delay() {
        let delay = |jitter| Retry::after_failure(1, Duration::ZERO, DAY, jitter);
        assert_eq!(delay(0.0), Retry::After(Duration::from_secs(5)));
        assert_eq!(delay(0.5), Retry::After(Duration::from_millis(7500)));
    }

    #[test]
    fn message_is_given_up_before_an_attempt_that_would_be_too_late() {
        assert_eq!(Retry::after_failure(12, DAY, DAY, 0.0), Retry::GiveUp);
        assert!(matches!(Retry::after_failure(12, DAY / 2, DAY, 0.0), Retry::After(_)));
    }
}
