//! [`Revocations`]: what a verifier knows of ended sessions, and how current it is.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

use super::{Feed, OutagePolicy, ended_sessions::EndedSessions};
use crate::{FetchError, VerifyError, claims::SessionId, clock::Clock};

/// State of the revocation feed, for metrics and health checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedState {
    /// `true` while the verifier follows the feed and has received all missed events.
    pub is_current: bool,
    /// Time since the last data of the feed. At most a few seconds while the verifier follows it.
    pub silent_for: Duration,
    /// Number of ended sessions in memory.
    pub held: usize,
    /// Number of attempts to connect after the first one.
    pub reconnects: u64,
    /// Error of the last connection, or `None` while the verifier follows the feed and during the
    /// first connection.
    pub last_error: Option<FetchError>,
}

impl FeedState {
    /// Returns `Ok` while the verifier follows the feed.
    ///
    /// # Errors
    /// The reason for a health check, with the time since the last data.
    pub fn check(&self) -> Result<(), String> {
        let silence = self.silent_for.as_secs();
        match self.last_error {
            _ if self.is_current => Ok(()),
            Some(error) => Err(format!("not followed for {silence} s: {error}")),
            None => Err(format!("not followed for {silence} s: not caught up yet")),
        }
    }
}

/// Ended sessions, and the state of the feed that they come from.
#[derive(Debug)]
pub(crate) struct Revocations {
    pub(super) feed: ArcSwap<Feed>,
    pub(super) policy: OutagePolicy,
    clock: Clock,
    ended: EndedSessions,
    created: Instant,
    is_current: AtomicBool,
    /// Last time the state was current, in milliseconds after `created`.
    current_ms: AtomicI64,
    reconnects: AtomicU64,
    last_error: Mutex<Option<FetchError>>,
}

impl Revocations {
    pub(crate) fn new(feed: Feed, policy: OutagePolicy, clock: Clock) -> Self {
        Self {
            feed: ArcSwap::from_pointee(feed),
            policy,
            clock,
            ended: EndedSessions::default(),
            created: Instant::now(),
            is_current: AtomicBool::new(false),
            current_ms: AtomicI64::new(0),
            reconnects: AtomicU64::new(0),
            last_error: Mutex::default(),
        }
    }

    /// Returns a state that is current without a feed.
    #[cfg(feature = "testing")]
    pub(crate) fn without_feed(clock: Clock) -> Self {
        let feed =
            Feed { url: String::new(), client_id: String::new(), client_secret: String::new() };
        let revocations = Self::new(feed, OutagePolicy::UntilExpiry, clock);
        revocations.set_current(true);
        revocations
    }

    /// Sets the client secret for the next connection.
    pub(crate) fn set_secret(&self, client_secret: String) {
        let feed = Feed { client_secret, ..Feed::clone(&self.feed.load()) };
        self.feed.store(feed.into());
    }

    /// Checks that a session has not ended. If that is not known, the outage policy decides.
    ///
    /// # Errors
    /// [`VerifyError::Revoked`] or [`VerifyError::RevocationsUnavailable`].
    pub(crate) fn check(&self, sid: SessionId) -> Result<(), VerifyError> {
        if self.ended.contains(sid) {
            Err(VerifyError::Revoked)
        } else if !self.is_usable() {
            Err(VerifyError::RevocationsUnavailable)
        } else {
            Ok(())
        }
    }

    /// Returns `true` if the feed is current or the outage policy accepts tokens without it.
    pub(crate) fn is_usable(&self) -> bool {
        self.is_current() || self.policy.accepts_after(self.silent_for())
    }

    /// Returns `true` while the verifier follows the feed and has received all missed events.
    pub(crate) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Acquire)
    }

    pub(crate) fn state(&self) -> FeedState {
        FeedState {
            is_current: self.is_current(),
            silent_for: self.silent_for(),
            held: self.ended.len(),
            reconnects: self.reconnects.load(Ordering::Relaxed),
            last_error: *self.last_error.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Records that a session has ended. `until` is the expiry of its last token, in seconds since
    /// the Unix epoch.
    pub(crate) fn record(&self, sid: SessionId, until: i64) {
        self.ended.record(sid, until);
    }

    pub(super) fn remove_expired(&self) {
        self.ended.remove_expired(self.clock.now_secs());
    }

    pub(super) fn set_current(&self, is_current: bool) {
        self.current_ms.store(self.age_ms(), Ordering::Release);
        self.is_current.store(is_current, Ordering::Release);
    }

    pub(super) fn set_last_error(&self, error: Option<FetchError>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(super) fn count_reconnect(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    fn silent_for(&self) -> Duration {
        let silent_ms = self.age_ms() - self.current_ms.load(Ordering::Acquire);
        Duration::from_millis(silent_ms.max(0) as u64)
    }

    fn age_ms(&self) -> i64 {
        self.created.elapsed().as_millis() as i64
    }
}
