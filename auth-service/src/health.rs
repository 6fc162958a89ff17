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
}

impl Display for UnavailableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
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
        }
    }
}

impl UnavailableReason {
    /// Returns for how long an earlier reason is kept instead of this one.
    ///
    /// A timeout does not name the cause. So a recent reason that does is kept.
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
    is_down: AtomicBool,
    /// Whether the log has a line about the current failure.
    is_logged: AtomicBool,
    /// Time of the last line about a failure.
    last_logged: Mutex<Option<Instant>>,
    /// Reason and time of the last failure.
    last_failure: Mutex<Option<(UnavailableReason, Instant)>>,
}

impl DependencyHealth {
    /// Returns the health of a dependency that has not failed yet.
    pub fn new(name: &'static str) -> Self {
        Self {
            name,
            is_down: AtomicBool::new(false),
            is_logged: AtomicBool::new(false),
            last_logged: Mutex::new(None),
            last_failure: Mutex::new(None),
        }
    }

    /// Records a failure: the error for the log, and the reason for `/readyz`.
    pub fn record_failure(&self, error: &dyn Display, reason: UnavailableReason) {
        self.replace_reason(reason);
        if !self.is_down.swap(true, Ordering::Relaxed) && self.may_log() {
            self.is_logged.store(true, Ordering::Relaxed);
            log::error!("{} is not available: {}", self.name, one_line(&error.to_string()));
        }
    }

    /// Records that the dependency works.
    pub fn record_success(&self) {
        // A load first: every request calls this function, and a swap would make the cores wait
        // for each other.
        if self.is_down.load(Ordering::Relaxed) && self.is_down.swap(false, Ordering::Relaxed) {
            *lock(&self.last_failure) = None;
            if self.is_logged.swap(false, Ordering::Relaxed) {
                log::info!("{} is available again", self.name);
            }
        }
    }

    /// Returns why the dependency is unavailable. `None` while it works.
    pub fn reason(&self) -> Option<UnavailableReason> {
        lock(&self.last_failure).as_ref().map(|(reason, _)| reason.clone())
    }

    fn replace_reason(&self, reason: UnavailableReason) {
        let mut last = lock(&self.last_failure);
        let is_kept = last.as_ref().is_some_and(|(old, at)| {
            old.yields_for().is_zero() && at.elapsed() < reason.yields_for()
        });
        if !is_kept {
            *last = Some((reason, Instant::now()));
        }
    }

    fn may_log(&self) -> bool {
        let mut last = lock(&self.last_logged);
        let may_log = last.is_none_or(|last| last.elapsed() >= MIN_LOG_INTERVAL);
        if may_log {
            *last = Some(Instant::now());
        }
        may_log
    }
}

/// Returns a text in one line. The errors of libpq have several.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
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
}
