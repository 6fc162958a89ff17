//! [`Revocations`]: the ended sessions that a verifier knows, and the state of the feed.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;

use super::{Feed, OutagePolicy, ended_sessions::EndedSessions};
use crate::{FetchError, VerifyError, claims::SessionId, clock::Clock, fetch_error::FetchFailure};

/// State of the revocation feed, for metrics and health checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedState {
    /// `true` while the verifier follows the feed and has received all missed events.
    pub is_current: bool,
    /// Time since the last event or comment that the verifier received while it had all events. At
    /// most a few seconds while the verifier follows the feed. Counts from the start of the
    /// verifier until the verifier has received all events for the first time.
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
    /// The reason for a health check, with the time since the last event or comment.
    pub fn check(&self) -> Result<(), String> {
        let silence = self.silent_for.as_secs();
        match self.last_error {
            _ if self.is_current => Ok(()),
            Some(error) => Err(format!("not followed for {silence} s: {error}")),
            None => Err(format!("not followed for {silence} s: not caught up yet")),
        }
    }
}

/// Maximum time that a verifier waits at its start for the past events of the feed, under the outage
/// policy that accepts tokens without the feed.
const FIRST_CATCH_UP: Duration = Duration::from_secs(10);
/// Value of [`Revocations::received_ms`] until the verifier has received all events once.
const NEVER: i64 = -1;

/// Ended sessions, and the state of the feed that they come from.
#[derive(Debug)]
pub(crate) struct Revocations {
    pub(super) feed: ArcSwap<Feed>,
    pub(super) policy: OutagePolicy,
    clock: Clock,
    ended: EndedSessions,
    created: Instant,
    /// Offset of the clock when this state was created. Zero outside tests.
    created_offset_ms: i64,
    is_current: AtomicBool,
    /// Time of the last event or comment that left the verifier with all events, in milliseconds
    /// after `created`, or [`NEVER`].
    received_ms: AtomicI64,
    reconnects: AtomicU64,
    last_error: Mutex<Option<FetchFailure>>,
}

impl Revocations {
    pub(crate) fn new(feed: Feed, policy: OutagePolicy, clock: Clock) -> Self {
        Self {
            feed: ArcSwap::from_pointee(feed),
            policy,
            ended: EndedSessions::default(),
            created: Instant::now(),
            created_offset_ms: clock.offset_ms(),
            clock,
            is_current: AtomicBool::new(false),
            received_ms: AtomicI64::new(NEVER),
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
        revocations.record_current();
        revocations
    }

    /// Returns the URL of the feed.
    pub(crate) fn feed_url(&self) -> String {
        self.feed.load().url.clone()
    }

    /// Sets the client secret for the next connection.
    pub(crate) fn set_secret(&self, client_secret: String) {
        let feed = Feed { client_secret, ..Feed::clone(&self.feed.load()) };
        self.feed.store(feed.into());
    }

    /// Checks that a session has not ended. While the feed is not current, the outage policy
    /// decides about a session that is not known to have ended.
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
        self.is_current() || self.is_outage_accepted()
    }

    /// Returns `true` if the outage policy accepts tokens without the feed. Before the verifier has
    /// received all events once, it knows of no ended session, however short the outage is.
    fn is_outage_accepted(&self) -> bool {
        match self.received_ms.load(Ordering::Acquire) {
            NEVER => {
                self.policy == OutagePolicy::UntilExpiry && self.silent_for() >= FIRST_CATCH_UP
            }
            _ => self.policy.accepts_after(self.silent_for()),
        }
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
            last_error: self.last_error().map(|last| last.error),
        }
    }

    /// Returns why the last connection ended. `None` while the verifier follows the feed and during
    /// the first connection.
    pub(crate) fn last_error(&self) -> Option<FetchFailure> {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Records that a session has ended. `until` is the expiry of its last token, in seconds since
    /// the Unix epoch.
    pub(crate) fn record(&self, sid: SessionId, until: i64) {
        self.ended.record(sid, until);
    }

    pub(super) fn remove_expired(&self) {
        self.ended.remove_expired(self.clock.now_secs());
    }

    /// Records that the verifier has all events up to now.
    pub(super) fn record_current(&self) {
        self.received_ms.store(self.age_ms(), Ordering::Release);
        self.is_current.store(true, Ordering::Release);
    }

    /// Records that the connection to the feed has ended. The time of the last event or comment
    /// stays: an outage begins there, not where the verifier notices it.
    pub(super) fn record_disconnect(&self, why: FetchFailure) {
        self.is_current.store(false, Ordering::Release);
        self.set_last_error(Some(why));
    }

    pub(super) fn set_last_error(&self, error: Option<FetchFailure>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    pub(super) fn count_reconnect(&self) {
        self.reconnects.fetch_add(1, Ordering::Relaxed);
    }

    fn silent_for(&self) -> Duration {
        let received_ms = self.received_ms.load(Ordering::Acquire).max(0);
        Duration::from_millis((self.age_ms() - received_ms).max(0) as u64)
    }

    /// Returns the age of this state in milliseconds. A wall clock that is set does not change it,
    /// but a test that advances the verifier's clock does.
    fn age_ms(&self) -> i64 {
        let advanced_ms = self.clock.offset_ms() - self.created_offset_ms;
        self.created.elapsed().as_millis() as i64 + advanced_ms
    }
}
