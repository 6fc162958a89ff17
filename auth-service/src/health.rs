//! Whether something we depend on works: said in the log when it changes, not at every request, and why not to whoever
//! asks `/readyz`.

use std::{
    fmt::{self, Display},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// The least time between two lines: what fails at every write and works at every read would fill the log.
const QUIET: Duration = Duration::from_secs(5);

/// Why something does not work, for whoever is called out. In our own words alone: those of a server or a library may quote
/// a URL or a statement, and are for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnavailableReason {
    /// As they are.
    Text(&'static str),
    /// Nobody waits for it any longer than this.
    Timeout(Duration),
    /// Nobody waits for a connection any longer than this.
    ConnectTimeout(Duration),
    /// All connections, as many as this, were in use for this long.
    PoolExhausted(u32, Duration),
    /// Redis answered with this code.
    RedisError(String),
    /// A key that does not open.
    WrongSecret(String),
    /// Nothing was heard for this long.
    FeedSilent(Duration),
}

impl Display for UnavailableReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(words) => f.write_str(words),
            Self::Timeout(limit) => write!(f, "no answer within {} s", limit.as_secs()),
            Self::ConnectTimeout(limit) => write!(f, "no connection within {} s", limit.as_secs()),
            Self::PoolExhausted(count, limit) => {
                write!(f, "none of the {count} connections became free within {} s", limit.as_secs())
            }
            Self::RedisError(code) => write!(f, "Redis answered {code}"),
            Self::WrongSecret(kid) => {
                write!(f, "the key {kid} does not open with this secret (SECRET_KEY_FILE)")
            }
            Self::FeedSilent(silence) => {
                write!(
                    f,
                    "nothing heard for {} s, neither from Redis nor from the database",
                    silence.as_secs()
                )
            }
        }
    }
}

impl UnavailableReason {
    /// For how long a reason that says more than this one is still the better one.
    fn yields_for(&self) -> Duration {
        match self {
            Self::Timeout(limit) | Self::ConnectTimeout(limit) => *limit * 3,
            _ => Duration::ZERO,
        }
    }
}

/// The state of one dependency.
#[derive(Debug)]
pub struct DependencyHealth {
    what: &'static str,
    down: AtomicBool,
    /// Whether the log says that it is down.
    said: AtomicBool,
    last_line: Mutex<Option<Instant>>,
    /// Why it last failed, and when.
    why: Mutex<Option<(UnavailableReason, Instant)>>,
}

impl DependencyHealth {
    /// A dependency that works until the opposite is seen.
    pub fn new(what: &'static str) -> Self {
        Self {
            what,
            down: AtomicBool::new(false),
            said: AtomicBool::new(false),
            last_line: Mutex::new(None),
            why: Mutex::new(None),
        }
    }

    /// It failed just now: why, for the log, and in our own words.
    pub fn record_failure(&self, why: &dyn Display, reason: UnavailableReason) {
        {
            let mut last = self.why.lock().unwrap_or_else(PoisonError::into_inner);
            let yields = |(before, at): &(UnavailableReason, Instant)| {
                before.yields_for().is_zero() && at.elapsed() < reason.yields_for()
            };
            if !last.as_ref().is_some_and(yields) {
                *last = Some((reason, Instant::now()));
            }
        }
        if !self.down.swap(true, Ordering::Relaxed) && self.may_speak() {
            self.said.store(true, Ordering::Relaxed);
            log::error!("{} is not available: {}", self.what, one_line(&why.to_string()));
        }
    }

    /// It worked just now.
    pub fn record_success(&self) {
        // A read first: this is called at every request, and a swap would make every core wait for the others.
        if self.down.load(Ordering::Relaxed) && self.down.swap(false, Ordering::Relaxed) {
            *self.why.lock().unwrap_or_else(PoisonError::into_inner) = None;
            if self.said.swap(false, Ordering::Relaxed) {
                log::info!("{} is available again", self.what);
            }
        }
    }

    /// Why it does not work. `None` while it does.
    pub fn reason(&self) -> Option<UnavailableReason> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|(reason, _)| reason.clone())
    }

    fn may_speak(&self) -> bool {
        let mut last = self.last_line.lock().unwrap_or_else(PoisonError::into_inner);
        let may = last.is_none_or(|last| last.elapsed() >= QUIET);
        if may {
            *last = Some(Instant::now());
        }
        may
    }
}

/// libpq explains itself over several lines.
pub fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_says_more_is_kept_until_it_works_again() {
        let (health, limit) = (DependencyHealth::new("it"), Duration::from_secs(60));
        assert_eq!(health.reason(), None);
        health.record_failure(&"late", UnavailableReason::Timeout(limit));
        health.record_failure(&"refused", UnavailableReason::Text("connection refused"));
        health.record_failure(&"late", UnavailableReason::Timeout(limit));
        assert_eq!(health.reason(), Some(UnavailableReason::Text("connection refused")));
        health.record_failure(&"late", UnavailableReason::Timeout(Duration::ZERO));
        assert_eq!(health.reason(), Some(UnavailableReason::Timeout(Duration::ZERO)), "the other is too old");
        health.record_failure(&"refused", UnavailableReason::RedisError("READONLY".into()));
        health.record_success();
        assert_eq!(health.reason(), None);
    }
}
