//! The feed of one replica.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use shared::{claims::SessionId, clock::Clock};
use tokio::sync::watch;

use super::{
    event::{EventId, Revocation},
    listener::Listener,
    log::Log,
    redis_stream::{Stream, StreamEntry},
    sources::{FeedSource, LastCurrent},
};
use crate::{
    domain::token_lifetime::LongestLifetime,
    health::{DependencyHealth, UnavailableReason},
    redis::{Server, unavailable_reason},
    store::{Store, StoreError, sessions as rows, signing_keys},
};

/// Time for which the feed holds an event after the last access token has expired, because the
/// clocks of verifiers may be behind.
const MARGIN_MS: i64 = 300_000;
/// Maximum number of rows in one read from the database.
const ROWS: i64 = 10_000;
/// Maximum number of events that a listener receives at once.
const PAGE: usize = 1000;
/// Maximum time an event takes to come by the stream while the stream works.
pub const STREAM_DELAY: Duration = Duration::from_millis(500);
/// Maximum time without any answer, from the stream or from the database. After it, this replica no
/// longer tells listeners that they are current.
const MAX_SILENCE: Duration = Duration::from_secs(6);
/// Time between attempts to read the stream.
const RETRY: Duration = Duration::from_millis(200);
/// Time between attempts to load the past. Shorter, because requests wait for a replica that
/// starts.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// Settings of the feed.
#[derive(Clone, Debug)]
pub struct FeedSettings {
    pub token_lifetime: LongestLifetime,
    /// First part of the names of all keys in Redis.
    pub redis_key_prefix: String,
    /// Maximum time a call to Redis may take.
    pub redis_timeout: Duration,
}

/// The feed of one replica: the sessions that ended recently, at any replica.
pub struct RevocationFeed {
    store: Store,
    stream: Option<Stream>,
    clock: Clock,
    token_lifetime: LongestLifetime,
    log: Mutex<Log>,
    /// Number of events ever added to the log. `None` until the past is loaded.
    total: watch::Sender<Option<u64>>,
    /// Whether this replica receives new events by the stream.
    reads_stream: AtomicBool,
    health: DependencyHealth,
    last_current: LastCurrent,
}

impl RevocationFeed {
    /// Returns an empty feed. Replicas that share a Redis receive each other's events by a stream
    /// in it.
    pub fn new(settings: &FeedSettings, redis: Option<Server>, store: Store, clock: Clock) -> Self {
        let FeedSettings { token_lifetime, redis_key_prefix, redis_timeout } = settings;
        let stream = |server| Stream::new(server, redis_key_prefix, *redis_timeout);
        Self {
            store,
            stream: redis.map(stream),
            clock,
            token_lifetime: token_lifetime.clone(),
            log: Mutex::default(),
            total: watch::Sender::new(None),
            reads_stream: AtomicBool::new(true),
            health: DependencyHealth::new("the revocation stream in Redis"),
            last_current: LastCurrent::new(),
        }
    }

    /// Returns the time for which the feed holds an event after the session's end, in milliseconds.
    fn window_ms(&self) -> i64 {
        self.token_lifetime.longest_ms() + MARGIN_MS
    }

    /// Publishes ended sessions, each with the time of its end. Returns whether all other replicas
    /// can receive them.
    ///
    /// If Redis does not take an event, this replica's listeners receive it nevertheless. The
    /// caller publishes the event again once Redis is back.
    pub async fn publish(&self, ended: &[(SessionId, i64)]) -> bool {
        let now_ms = self.clock.now_ms();
        let window_ms = self.window_ms();
        let until = |(sid, ended_at_ms): &(SessionId, i64)| (*sid, ended_at_ms + window_ms);
        // An event that is only in this replica's log is published again.
        let is_new = |(sid, until_ms): &(SessionId, i64)| {
            *until_ms > now_ms && !self.log().has_from_stream(*sid)
        };
        let events: Vec<(SessionId, i64)> = ended.iter().map(until).filter(is_new).collect();
        let is_published = match &self.stream {
            Some(stream) => stream.add(&events, window_ms).await.is_ok(),
            None => true,
        };
        // Otherwise the event comes back by the stream, with an id that all replicas know.
        let comes_back = is_published && self.stream.is_some() && self.reads_stream();
        if !comes_back {
            for (sid, until_ms) in events {
                self.record(None, sid, until_ms);
            }
        }
        is_published
    }

    /// Records a session that, by the database, ended at this time. Returns `false`, and records
    /// nothing, if the session has just ended: it is left to the stream, whose ids all replicas
    /// know, for [`STREAM_DELAY`].
    pub fn record_from_database(&self, sid: SessionId, ended_at_ms: i64) -> bool {
        let is_recent = ended_at_ms > self.clock.now_ms() - STREAM_DELAY.as_millis() as i64;
        if is_recent && self.reads_stream() {
            return false;
        }
        self.record(None, sid, ended_at_ms + self.window_ms());
        true
    }

    /// Loads the past, then records the events of other replicas until `this` is dropped.
    pub async fn follow_stream(this: Weak<Self>) {
        let mut last = None;
        while let Some(feed) = this.upgrade() {
            if !feed.is_past_loaded() && feed.load_past().await.is_err() {
                let store = feed.store.clone();
                drop(feed);
                store.pause(FIRST_RETRY).await;
                continue;
            }
            let Some(stream) = &feed.stream else { return };
            last = feed.read_stream(stream, last).await;
        }
    }

    /// Records the next events of the stream. Returns the id after which to read on. `None` after
    /// a failure, because another Redis may have other ids.
    async fn read_stream(&self, stream: &Stream, last: Option<EventId>) -> Option<EventId> {
        match stream.read(last).await {
            Ok(entries) => {
                let last = entries.last().map_or(last, |entry| Some(entry.id));
                for StreamEntry { id, ended } in entries {
                    match ended {
                        Some((sid, until_ms)) => {
                            self.record(Some(id), sid, until_ms);
                        }
                        // The next read of the database has the session of the entry.
                        None => ::log::warn!("cannot parse entry {id} of the revocation stream"),
                    }
                }
                // The stream may have lost events while it could not be read.
                if self.reads_stream() || self.load_past().await.is_ok() {
                    self.reads_stream.store(true, Ordering::Release);
                    self.mark_current(FeedSource::Stream);
                    self.health.record_success();
                }
                last
            }
            Err(error) => {
                let reason = unavailable_reason(&error, stream.timeout);
                self.health.record_failure(&error, reason);
                self.reads_stream.store(false, Ordering::Release);
                tokio::time::sleep(RETRY).await;
                None
            }
        }
    }

    /// Waits until the past is loaded.
    pub async fn past_loaded(&self) {
        // Cannot fail: `self` is the sender.
        let _ = self.total.subscribe().wait_for(Option::is_some).await;
    }

    /// Loads the sessions that ended before this process started.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn load_past(&self) -> Result<(), StoreError> {
        // The signing keys may not have been read yet.
        let recorded = self.store.run(signing_keys::longest_token_lifetime).await?;
        self.token_lifetime.record(recorded.unwrap_or_default());
        let window_ms = self.window_ms();
        let since_ms = self.clock.now_ms() - window_ms;
        let mut after = None;
        loop {
            let query =
                move |connection: &mut _| rows::revoked_since(connection, since_ms, after, ROWS);
            let page = self.store.run(query).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            for (sid, ended_at_ms) in page {
                self.record(None, sid, ended_at_ms + window_ms);
            }
        }
        let total = self.log().total();
        self.total.send_replace(Some(total));
        Ok(())
    }

    fn record(&self, stream_id: Option<EventId>, sid: SessionId, until_ms: i64) {
        let total = {
            let mut log = self.log();
            log.add(stream_id, sid, until_ms, self.clock.now_ms());
            log.total()
        };
        self.total.send_if_modified(|old| old.is_some() && old.replace(total) != Some(total));
    }

    /// Records that this replica has all events of a source.
    pub fn mark_current(&self, source: FeedSource) {
        self.last_current.set_now(source);
    }

    /// Returns the time since this replica last had all events of each source in use.
    pub fn silence_by_source(&self) -> impl Iterator<Item = (FeedSource, Duration)> {
        let stream = self.stream.is_some().then_some(FeedSource::Stream);
        let sources = stream.into_iter().chain([FeedSource::Database]);
        sources.map(|source| (source, self.last_current.silence(source)))
    }

    /// Returns whether the feed can serve listeners: the past is loaded, and new events arrive in
    /// time, from the stream or from the database.
    ///
    /// # Errors
    /// The reason why it cannot.
    pub fn readiness(&self) -> Result<(), UnavailableReason> {
        let silence = self.silence();
        if !self.is_past_loaded() {
            Err(UnavailableReason::Text("past revocations are not loaded yet"))
        } else if silence > MAX_SILENCE && self.stream.is_some() {
            Err(UnavailableReason::FeedSilent(silence))
        } else {
            Ok(())
        }
    }

    /// Waits until no source has answered for so long that the feed can no longer serve listeners.
    pub async fn silent(&self) {
        if self.stream.is_none() {
            // No other replica ends sessions.
            return std::future::pending().await;
        }
        while let Some(rest) = MAX_SILENCE.checked_sub(self.silence()) {
            // One more millisecond, because a silence of exactly the maximum is allowed.
            tokio::time::sleep(rest + Duration::from_millis(1)).await;
        }
    }

    /// Returns the time since this replica last had all events of one of its sources.
    fn silence(&self) -> Duration {
        self.silence_by_source().map(|(_, silence)| silence).min().unwrap_or_default()
    }

    /// Returns whether the feed can serve listeners.
    pub fn is_ready(&self) -> bool {
        self.readiness().is_ok()
    }

    /// Returns a listener that has received all events up to `last`, from this replica or another.
    /// `None` while the feed is not ready.
    pub fn subscribe(&self, last: Option<EventId>) -> Option<Listener> {
        if !self.is_ready() {
            return None;
        }
        let total = self.total.subscribe();
        Some(Listener::new(self.log().cursor_after(last), total))
    }

    /// Returns the next page of events for a listener. `None` if it has all of them: see
    /// [`Listener::wait`].
    pub fn next_page(&self, listener: &mut Listener) -> Option<Vec<Revocation>> {
        self.log().next_page(&mut listener.cursor, PAGE, self.clock.now_ms())
    }

    /// Returns whether the feed holds the end of this session.
    pub fn contains(&self, sid: SessionId) -> bool {
        self.log().contains(sid)
    }

    /// Returns the number of listeners.
    pub fn listener_count(&self) -> usize {
        self.total.receiver_count()
    }

    /// Returns the number of ended sessions that the feed holds.
    pub fn revocation_count(&self) -> usize {
        self.log().len()
    }

    fn reads_stream(&self) -> bool {
        self.reads_stream.load(Ordering::Acquire)
    }

    fn is_past_loaded(&self) -> bool {
        self.total.borrow().is_some()
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
