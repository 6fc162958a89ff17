//! The feed of sessions that have ended, for services that verify access tokens by themselves: they refuse a session's
//! tokens as soon as they hear of its end, and need not remember it for longer than an access token lives.
//!
//! Every replica holds what an access token may still be alive of, in the order in which it heard of it: its own, by way
//! of a stream in Redis those of all others, and from the database what there was before it started. It is only ever
//! added to, so a listener who hears of a session twice loses nothing, and one that resumes gets rather more than less.

mod log;
mod stream;

use std::{
    sync::{Mutex, Weak},
    time::Duration,
};

use shared::{claims::SessionId, clock::Clock};
use tokio::sync::watch;

pub use self::log::{EventId, Revocation};
use self::{
    log::{Log, Origin, Place},
    stream::Stream,
};
use crate::{
    config::Settings,
    store::{Store, StoreError, sessions as rows},
};

/// How much longer a revocation is told of than the last token lives: verifiers' clocks may be behind.
const MARGIN_MS: i64 = 300_000;
/// How many are read from the database at once.
const ROWS: i64 = 10_000;
/// How many revocations are told at once.
const PAGE: usize = 1000;
/// How long to wait before Redis or the database is asked again.
const RETRY: Duration = Duration::from_millis(200);

/// The sessions that ended lately.
pub struct Revocations {
    store: Store,
    stream: Option<Stream>,
    clock: Clock,
    /// How long an access token may outlive its session's end, in milliseconds.
    window_ms: i64,
    log: Mutex<Log>,
    /// How many have been heard of, for those that wait for the next one. `None` until the past has been read.
    heard: watch::Sender<Option<u64>>,
}

impl Revocations {
    /// Nothing heard of yet.
    ///
    /// # Errors
    /// If REDIS_URL is not a URL of Redis.
    pub fn new(settings: &Settings, store: Store, clock: Clock) -> redis::RedisResult<Self> {
        let window_ms = settings.access_token_lifetime.as_millis() as i64 + MARGIN_MS;
        let stream = match &settings.redis_url {
            Some(url) => Some(Stream::new(url, &settings.redis_key_prefix, settings.redis_timeout)?),
            None => None,
        };
        Ok(Self { store, stream, clock, window_ms, log: Mutex::default(), heard: watch::Sender::new(None) })
    }

    /// Tells everybody that a session has ended. What Redis does not take now, it is given again by whoever brings it up
    /// to date; this replica's own listeners hear of it at once. Says whether all other replicas can hear of it.
    pub async fn publish(&self, sid: SessionId, revoked_at_ms: i64) -> bool {
        let until_ms = revoked_at_ms + self.window_ms;
        // What only this replica knows, because Redis did not take it, is published again.
        if until_ms <= self.clock.now_ms() || self.lock().knows_from_stream(sid) {
            return true;
        }
        if let Some(stream) = &self.stream
            && stream.add(sid, until_ms, self.window_ms).await.is_ok()
        {
            return true;
        }
        self.hear(Origin::Here, None, sid, until_ms);
        self.stream.is_none()
    }

    /// Hears of what ended before and elsewhere, until `this` is dropped.
    pub async fn listen(this: Weak<Self>) {
        let (mut last, mut failed, mut missed) = (None, false, false);
        while let Some(revocations) = this.upgrade() {
            if !revocations.is_ready() || missed {
                // The stream may have been lost while it could not be read. The database remembers.
                if revocations.read_past().await.is_err() {
                    drop(revocations);
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
                missed = false;
            }
            let Some(stream) = &revocations.stream else { return };
            match stream.read(last).await {
                Ok(entries) => {
                    missed = std::mem::take(&mut failed);
                    for (id, sid, until_ms) in entries {
                        last = Some(id);
                        revocations.hear(Origin::Stream, Some(id), sid, until_ms);
                    }
                }
                Err(_) => {
                    failed = true;
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    /// Whether the past has been read, so that listeners can be served.
    pub fn is_ready(&self) -> bool {
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

    /// Begins to tell somebody who has heard all up to `last`, from this replica or another. `None` until the past has
    /// been read.
    pub fn subscribe(&self, last: Option<EventId>) -> Option<Listener> {
        let heard = self.heard.subscribe();
        if heard.borrow().is_none() {
            return None;
        }
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
    place: Place,
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
