//! The feed of sessions that have ended, for services that verify access tokens by themselves: they refuse a session's
//! tokens as soon as they hear of its end, and need not remember it for longer than an access token lives.
//!
//! Every replica holds what an access token may still be alive of, in the order in which it heard of it: its own, by way
//! of a stream in Redis those of all others, and from the database what there was before it started. It is only ever
//! added to, so a listener who hears of a session twice loses nothing, and one that resumes gets rather more than less.

mod log;
mod redis_stream;

use std::{
    sync::{
        Mutex, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use shared::{claims::SessionId, clock::Clock};
use tokio::sync::watch;

pub use self::log::{EventId, Revocation};
use self::{
    log::{Cursor, Log, Origin},
    redis_stream::Stream,
};
use crate::{
    config::Settings,
    health::{DependencyHealth, UnavailableReason},
    redis::{self, Server},
    store::{Store, StoreError, sessions as rows},
};

/// How much longer a revocation is told of than the last token lives: verifiers' clocks may be behind.
const MARGIN_MS: i64 = 300_000;
/// How many are read from the database at once.
const ROWS: i64 = 10_000;
/// How many revocations are told at once.
const PAGE: usize = 1000;
/// How long something takes at most to come by the stream, while that works.
const COMING_MS: i64 = 500;
/// A replica that has heard nothing for this long, from the stream or the database, tells nobody that all is well.
const DEAF_AFTER: Duration = Duration::from_secs(6);
/// How long to wait before Redis or the database is asked again.
const RETRY: Duration = Duration::from_millis(200);
/// The same, while the past has not been read: a replica that starts is waited for.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// From where this replica hears of what ends elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Stream,
    Database,
}

impl Source {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Database => "database",
        }
    }
}

/// The sessions that ended lately.
pub struct RevocationFeed {
    store: Store,
    stream: Option<Stream>,
    clock: Clock,
    /// How long an access token may outlive its session's end, in milliseconds.
    window_ms: i64,
    log: Mutex<Log>,
    /// How many have been heard of, for those that wait for the next one. `None` until the past has been read.
    heard: watch::Sender<Option<u64>>,
    /// Whether the stream is being read.
    reads_stream: AtomicBool,
    health: DependencyHealth,
    began: Instant,
    /// When all that had ended by then was last known here, by [`Source`], in milliseconds after `began`.
    heard_at_ms: [AtomicU64; 2],
    redis_timeout: Duration,
}

impl RevocationFeed {
    /// Nothing heard of yet. Replicas that share a Redis tell one another by a stream in it.
    pub fn new(settings: &Settings, redis: Option<Server>, store: Store, clock: Clock) -> Self {
        let window_ms = settings.access_token_lifetime.as_millis() as i64 + MARGIN_MS;
        let stream =
            redis.map(|server| Stream::new(server, &settings.redis_key_prefix, settings.redis_timeout));
        Self {
            store,
            stream,
            clock,
            window_ms,
            log: Mutex::default(),
            heard: watch::Sender::new(None),
            reads_stream: AtomicBool::new(true),
            health: DependencyHealth::new("the stream of revocations"),
            began: Instant::now(),
            heard_at_ms: Default::default(),
            redis_timeout: settings.redis_timeout,
        }
    }

    /// Tells everybody of sessions that have ended, each with the time when it did. What Redis does not take now, it is
    /// given again by whoever brings it up to date; this replica's own listeners hear of it at once. Says whether all other
    /// replicas can hear of them.
    pub async fn publish(&self, ended: &[(SessionId, i64)]) -> bool {
        let now = self.clock.now_ms();
        let until = |(sid, revoked_at_ms): &(SessionId, i64)| (*sid, revoked_at_ms + self.window_ms);
        // What only this replica knows, because Redis did not take it, is published again.
        let is_news =
            |(sid, until_ms): &(SessionId, i64)| *until_ms > now && !self.lock().knows_from_stream(*sid);
        let news: Vec<(SessionId, i64)> = ended.iter().map(until).filter(is_news).collect();
        let is_told = match &self.stream {
            Some(stream) => stream.add(&news, self.window_ms).await.is_ok(),
            None => true,
        };
        // Else it comes back by the stream, with an id by which a listener can go on at any replica.
        if !is_told || self.stream.is_none() || !self.reads_stream.load(Ordering::Acquire) {
            news.iter().for_each(|(sid, until_ms)| self.hear(Origin::Here, None, *sid, *until_ms));
        }
        is_told
    }

    /// Hears from the database of a session that ended at this time. What has just ended comes by the stream, with an id
    /// by which a listener can go on at any replica.
    pub fn record_from_database(&self, sid: SessionId, revoked_at_ms: i64) {
        let is_coming = revoked_at_ms > self.clock.now_ms() - COMING_MS;
        if is_coming && self.reads_stream.load(Ordering::Acquire) {
            return;
        }
        self.hear(Origin::Here, None, sid, revoked_at_ms + self.window_ms);
    }

    /// Hears of what ended before and elsewhere, until `this` is dropped.
    pub async fn listen(this: Weak<Self>) {
        let mut last = None;
        while let Some(revocations) = this.upgrade() {
            let is_reading = revocations.reads_stream.load(Ordering::Acquire);
            if !revocations.is_read() && revocations.read_past().await.is_err() {
                let store = revocations.store.clone();
                drop(revocations);
                store.pause(FIRST_RETRY).await;
                continue;
            }
            let Some(stream) = &revocations.stream else { return };
            match stream.read(last).await {
                Ok(entries) => {
                    for (id, entry) in entries {
                        last = Some(id);
                        match entry {
                            Some((sid, until_ms)) => {
                                revocations.hear(Origin::Stream, Some(id), sid, until_ms)
                            }
                            None => {
                                ::log::warn!("the stream of revocations has an entry that is not ours: {id}")
                            }
                        }
                    }
                    // It may have been lost while it could not be read. The database remembers.
                    if is_reading || revocations.read_past().await.is_ok() {
                        revocations.reads_stream.store(true, Ordering::Release);
                        revocations.mark_heard(Source::Stream);
                        revocations.health.record_success();
                    }
                }
                Err(why) => {
                    let reason = redis::reason(&why, revocations.redis_timeout);
                    revocations.health.record_failure(&why, reason);
                    revocations.reads_stream.store(false, Ordering::Release);
                    // Another Redis may count from elsewhere. What is told twice does no harm.
                    last = None;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Notes that this replica knows from there of all that has ended, and has told its listeners.
    pub fn mark_heard(&self, source: Source) {
        self.heard_at_ms[source as usize].store(self.began.elapsed().as_millis() as u64, Ordering::Release);
    }

    /// For how long nothing has been heard from each source that there is.
    pub fn silences(&self) -> impl Iterator<Item = (Source, Duration)> {
        let silence = |source: Source| {
            let heard_at = Duration::from_millis(self.heard_at_ms[source as usize].load(Ordering::Acquire));
            (source, self.began.elapsed().saturating_sub(heard_at))
        };
        let stream = self.stream.is_some().then_some(Source::Stream);
        stream.into_iter().chain([Source::Database]).map(silence)
    }

    /// Whether listeners can be served: the past has been read, and of what ends now this replica hears in time, from the
    /// stream or from the database.
    ///
    /// # Errors
    /// Why not.
    pub fn check(&self) -> Result<(), UnavailableReason> {
        let silence = self.silences().map(|(_, silence)| silence).min().unwrap_or_default();
        if !self.is_read() {
            Err(UnavailableReason::Text("those of the past have not been read from the database yet"))
        } else if silence > DEAF_AFTER && self.stream.is_some() {
            Err(UnavailableReason::FeedSilent(silence))
        } else {
            Ok(())
        }
    }

    /// Whether listeners can be served.
    pub fn is_ready(&self) -> bool {
        self.check().is_ok()
    }

    fn is_read(&self) -> bool {
        self.heard.borrow().is_some()
    }

    /// Reads what ended before this process began.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn read_past(&self) -> Result<(), StoreError> {
        let since = self.clock.now_ms() - self.window_ms;
        let mut after = None;
        loop {
            let query = move |connection: &mut _| rows::revoked_since(connection, since, after, ROWS);
            let page = self.store.run(query).await?;
            let Some(last) = page.last() else { break };
            after = Some(*last);
            for (sid, revoked_at_ms) in page {
                self.hear(Origin::Here, None, sid, revoked_at_ms + self.window_ms);
            }
        }
        let count = self.lock().count();
        self.heard.send_replace(Some(count));
        Ok(())
    }

    fn hear(&self, origin: Origin, id: Option<EventId>, sid: SessionId, until_ms: i64) {
        let count = {
            let mut log = self.lock();
            log.add(origin, id, sid, until_ms, self.clock.now_ms());
            log.count()
        };
        self.heard.send_if_modified(|heard| heard.is_some() && heard.replace(count) != Some(count));
    }

    /// Begins to tell somebody who has heard all up to `last`, from this replica or another. `None` while this replica
    /// does not hear of everything itself.
    pub fn subscribe(&self, last: Option<EventId>) -> Option<Listener> {
        if !self.is_ready() {
            return None;
        }
        let heard = self.heard.subscribe();
        Some(Listener { place: self.lock().place_after(last), heard })
    }

    /// What comes next for a listener, a page at most. `None` if there is nothing yet: see [`Listener::wait`].
    pub fn next(&self, listener: &mut Listener) -> Option<Vec<Revocation>> {
        self.lock().go_on(&mut listener.place, PAGE, self.clock.now_ms())
    }

    /// Whether this session is known to have ended lately.
    pub fn knows(&self, sid: SessionId) -> bool {
        self.lock().knows(sid)
    }

    /// How many listen, and how many sessions there are to tell of.
    pub fn counts(&self) -> (usize, usize) {
        (self.heard.receiver_count(), self.lock().len())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Somebody who listens.
pub struct Listener {
    place: Cursor,
    heard: watch::Receiver<Option<u64>>,
}

impl Listener {
    /// Waits until there is something new.
    pub async fn wait(&mut self) {
        let next = self.place.next();
        // The sender lives as long as the service.
        let _ = self.heard.wait_for(|heard| heard.is_some_and(|count| count > next)).await;
    }

    /// Whether all that was known when it began to listen has been told.
    pub fn is_past(&self) -> bool {
        self.place.is_past()
    }
}
