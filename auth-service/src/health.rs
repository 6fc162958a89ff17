//! Health of a dependency: the database, Redis, the signing keys.
//!
//! The log gets one line when a dependency fails and one when it works again, not one per request.
//! `/readyz` states the reason while the dependency is unavailable.

use std::{
    fmt::{self, Display},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// Minimum time between two lines about failures of a dependency. A dependency that fails at every
/// write and works at every read would otherwise fill the log.
const MIN_LOG_INTERVAL: Duration = Duration::from_secs(5);

/// Reason why a dependency is unavailable, in words for an operator.
///
/// The text is ours. A server's or a library's text may quote a URL or a statement, so it goes to
/// the log only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnavailableReason {
    /// A complete text.
    Text(&'static str),
    /// A complete text: why the database refuses writes. It may answer reads.
    WritesRefused(&'static str),
    /// No answer within this time.
    Timeout(Duration),
    /// No connection within this time.
    ConnectTimeout(Duration),
    /// All connections of the pool, of this number, were in use for this time.
    PoolExhausted(u32, Duration),
    /// An answer from Redis with this error code.
    RedisError(String),
    /// A signing key, of this id, that the secret does not open.
    WrongSecret(String),
    /// No answer from the sources of the revocation feed for this time.
    FeedSilent(Duration),
    /// This replica's clock is ahead of the database's, or behind if the number is negative, by
    /// more than this leeway.
    ClockDiffers { ahead_ms: i64, leeway: Duration },
}

impl Display for UnavailableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::WritesRefused(text) => f.write_str(text),
            Self::Timeout(limit) => write!(f, "no answer within {} s", limit.as_secs()),
            Self::ConnectTimeout(limit) => write!(f, "no connection within {} s", limit.as_secs()),
            Self::PoolExhausted(count, limit) => {
                write!(f, "all {count} connections were in use for {} s", limit.as_secs())
            }
            Self::RedisError(code) => write!(f, "Redis answered {code}"),
            Self::WrongSecret(kid) => {
                write!(f, "the key {kid} does not open with this secret (SECRET_KEY_FILE)")
            }
            Self::FeedSilent(silence) => {
                write!(f, "no answer from Redis or the database for {} s", silence.as_secs())
            }
            Self::ClockDiffers { ahead_ms, leeway } => {
                let direction = if *ahead_ms > 0 { "ahead of" } else { "behind" };
                let seconds = ahead_ms.unsigned_abs() / 1000;
                let leeway = leeway.as_secs();
                write!(f, "{seconds} s {direction} the database's clock (LEEWAY is {leeway} s)")
            }
        }
    }
}

impl UnavailableReason {
    /// Returns for how long an earlier reason is kept instead of this one.
    ///
    /// A timeout does not name the cause, so a recent reason that names the cause is kept.
    fn yields_for(&self) -> Duration {
        match self {
            Self::Timeout(limit) | Self::ConnectTimeout(limit) => *limit * 3,
            _ => Duration::ZERO,
        }
    }
}

/// Health of one dependency.
#[derive(Debug)]
pub struct DependencyHealth {
    /// Name of the dependency in the log.
    name: &'static str,
    /// Whether `state` has a failure. Changes only while `state` is locked.
    is_down: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Reason and time of the last failure. `None` while the dependency works.
    failure: Option<(UnavailableReason, Instant)>,
    /// Whether the log has a line about the current failure.
    is_logged: bool,
    /// Time of the last line about a failure.
    last_logged: Option<Instant>,
}

impl DependencyHealth {
    /// Returns the health of a dependency that has not failed yet.
    pub fn new(name: &'static str) -> Self {
        Self { name, is_down: AtomicBool::new(false), state: Mutex::default() }
    }

    /// Records a failure: the error for the log, and the reason for `/readyz`.
    pub fn record_failure(&self, error: &dyn Display, reason: UnavailableReason) {
        let mut state = self.lock();
        self.is_down.store(true, Ordering::Relaxed);
        state.replace_reason(reason);
        if state.may_log() {
            log::error!("{} is not available: {}", self.name, one_line(&error.to_string()));
        }
    }

    /// Records that the dependency works.
    pub fn record_success(&self) {
        // Without the lock: every request calls this function.
        if !self.is_down() {
            return;
        }
        let mut state = self.lock();
        self.is_down.store(false, Ordering::Relaxed);
        state.failure = None;
        if std::mem::take(&mut state.is_logged) {
            log::info!("{} is available again", self.name);
        }
    }

    /// Returns whether the last record is a failure.
    pub fn is_down(&self) -> bool {
        self.is_down.load(Ordering::Relaxed)
    }

    /// Returns why the dependency is unavailable. `None` while it works.
    pub fn reason(&self) -> Option<UnavailableReason> {
        self.lock().failure.as_ref().map(|(reason, _)| reason.clone())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn replace_reason(&mut self, reason: UnavailableReason) {
        let is_kept = self.failure.as_ref().is_some_and(|(old, at)| {
            old.yields_for().is_zero() && at.elapsed() < reason.yields_for()
        });
        if !is_kept {
            self.failure = Some((reason, Instant::now()));
        }
    }

    /// Returns whether the log gets a line about the current failure, and records it.
    fn may_log(&mut self) -> bool {
        let is_due = self.last_logged.is_none_or(|last| last.elapsed() >= MIN_LOG_INTERVAL);
        if self.is_logged || !is_due {
            return false;
        }
        self.is_logged = true;
        self.last_logged = Some(Instant::now());
        true
    }
}

/// Returns a text in one line. The errors of libpq have several.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn timeout_does_not_replace_a_recent_reason_that_says_more() {
        let health = DependencyHealth::new("the dependency");
        let limit = Duration::from_secs(60);
        let refused = UnavailableReason::Text("connection refused");
        assert_eq!(health.reason(), None);
        health.record_failure(&"late", UnavailableReason::Timeout(limit));
        health.record_failure(&"refused", refused.clone());
        health.record_failure(&"late", UnavailableReason::Timeout(limit));
        assert_eq!(health.reason(), Some(refused));
        let no_limit = UnavailableReason::Timeout(Duration::ZERO);
        health.record_failure(&"late", no_limit.clone());
        assert_eq!(health.reason(), Some(no_limit), "the other reason is too old");
        health.record_failure(&"refused", UnavailableReason::RedisError("READONLY".into()));
        health.record_success();
        assert_eq!(health.reason(), None);
    }

    /// A success must not remove the reason of a failure that another thread records after it.
    #[test]
    fn dependency_that_is_down_always_has_a_reason() {
        let health = DependencyHealth::new("the dependency");
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..2000).for_each(|_| health.record_success()));
                scope.spawn(|| {
                    for _ in 0..2000 {
                        health.record_failure(&"refused", UnavailableReason::Text("refused"));
                    }
                });
            }
            for _ in 0..2000 {
                let state = health.lock();
                assert_eq!(state.failure.is_some(), health.is_down());
            }
        });
    }
}
