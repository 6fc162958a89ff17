//! Sessions that have ended: heard of from the issuer's feed in the background, and looked up in memory, so that a logout
//! takes effect within a second and costs a request nothing.

mod outage_policy;
mod sse;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use reqwest::StatusCode;

pub use self::outage_policy::OutagePolicy;
use self::sse::{Event, FeedEvent, Lines};
use crate::{
    FetchError, VerifyError,
    claims::SessionId,
    clock::Clock,
    http::{chain, is_loopback},
    request_hook::Hook,
};

/// The issuer says something every 3 seconds. Whoever is silent for this long is gone.
const SILENCE: Duration = Duration::from_secs(10);
/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The first pause before the feed is asked for again. It doubles each time.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// The longest such pause.
const LAST_RETRY: Duration = Duration::from_secs(2);
/// How often what has expired is forgotten.
const CLEANUP: Duration = Duration::from_secs(30);
/// Readers of different sessions do not wait for one another.
const SHARDS: usize = 16;

/// Where the feed is, and who asks for it: a client of the issuer with the scope `revocations:read`.
#[derive(Clone)]
pub struct Feed {
    /// `GET /revocations` of auth-service.
    pub url: String,
    /// The client's id.
    pub client_id: String,
    /// The client's secret. Never printed.
    pub client_secret: String,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, client_id, .. } = self;
        f.debug_struct("Feed").field("url", url).field("client_id", client_id).finish_non_exhaustive()
    }
}

/// How the following of the feed stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FeedState {
    /// Whether it is being followed, and all that was missed has been heard.
    pub is_current: bool,
    /// For how long nothing has been heard of it: never more than a few seconds while it is followed.
    pub silent_for: Duration,
    /// How many sessions are held for ended.
    pub held: usize,
    /// How often it was asked for again, because it could not be followed any more, or not yet.
    pub reconnects: u64,
    /// Why it was not followed when that was last tried. `None` while it is, or has just been asked for.
    pub last_error: Option<FetchError>,
}

impl FeedState {
    /// For a health check.
    ///
    /// # Errors
    /// Why it is not being followed, and since when.
    pub fn check(&self) -> Result<(), String> {
        let silence = self.silent_for.as_secs();
        match self.last_error {
            _ if self.is_current => Ok(()),
            Some(why) => Err(format!("not followed for {silence} s: {why}")),
            None => Err(format!("not followed for {silence} s: not caught up yet")),
        }
    }
}

/// The sessions that are known to have ended.
#[derive(Debug)]
pub(crate) struct Revocations {
    feed: ArcSwap<Feed>,
    policy: OutagePolicy,
    clock: Clock,
    client: reqwest::Client,
    hook: Hook,
    /// By session, until when its tokens may be alive, in seconds since the Unix epoch.
    ended: [RwLock<HashMap<SessionId, i64>>; SHARDS],
    began: Instant,
    /// Whether the feed is being followed, and all that was missed has been heard.
    is_current: AtomicBool,
    /// When it last was, in milliseconds after `began`.
    current_ms: AtomicI64,
    reconnects: AtomicU64,
    last_error: Mutex<Option<FetchError>>,
}

impl Revocations {
    pub(crate) fn new(feed: Feed, policy: OutagePolicy, clock: Clock, hook: Hook) -> Self {
        let mut client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if is_loopback(&feed.url) {
            // No proxy could reach it.
            client = client.no_proxy();
        }
        Self {
            feed: ArcSwap::from_pointee(feed),
            policy,
            clock,
            client: client.build().unwrap_or_default(),
            hook,
            ended: Default::default(),
            began: Instant::now(),
            is_current: AtomicBool::new(false),
            current_ms: AtomicI64::new(0),
            reconnects: AtomicU64::new(0),
            last_error: Mutex::default(),
        }
    }

    /// The client's secret from now on.
    pub(crate) fn set_secret(&self, client_secret: String) {
        let feed = Feed { client_secret, ..Feed::clone(&self.feed.load()) };
        self.feed.store(feed.into());
    }

    /// Refuses a token whose session has ended, or of which that cannot be told if it must.
    pub(crate) fn check(&self, sid: SessionId) -> Result<(), VerifyError> {
        if self.shard(sid).read().unwrap_or_else(PoisonError::into_inner).contains_key(&sid) {
            return Err(VerifyError::Revoked);
        }
        if self.is_usable() { Ok(()) } else { Err(VerifyError::RevocationsUnavailable) }
    }

    /// Whether tokens may be accepted, as the policy has it.
    pub(crate) fn is_usable(&self) -> bool {
        self.is_current() || self.policy.accepts_after(self.silent_for())
    }

    /// Whether the feed is being followed.
    pub(crate) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Acquire)
    }

    pub(crate) fn state(&self) -> FeedState {
        let count =
            |shard: &RwLock<HashMap<_, _>>| shard.read().unwrap_or_else(PoisonError::into_inner).len();
        FeedState {
            is_current: self.is_current(),
            silent_for: self.silent_for(),
            held: self.ended.iter().map(count).sum(),
            reconnects: self.reconnects.load(Ordering::Relaxed),
            last_error: *self.last_error.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    fn silent_for(&self) -> Duration {
        let since = self.began.elapsed().as_millis() as i64 - self.current_ms.load(Ordering::Acquire);
        Duration::from_millis(since.max(0) as u64)
    }

    fn set_current(&self, is_current: bool) {
        self.current_ms.store(self.began.elapsed().as_millis() as i64, Ordering::Release);
        self.is_current.store(is_current, Ordering::Release);
    }

    fn set_last_error(&self, error: Option<FetchError>) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }

    fn shard(&self, sid: SessionId) -> &RwLock<HashMap<SessionId, i64>> {
        // The last byte of an id is random.
        &self.ended[usize::from(sid.0.as_bytes()[15]) % SHARDS]
    }

    fn hear(&self, sid: SessionId, until: i64) {
        self.shard(sid).write().unwrap_or_else(PoisonError::into_inner).insert(sid, until);
    }

    fn forget_expired(&self) {
        let now = self.clock.now_secs();
        for shard in &self.ended {
            shard.write().unwrap_or_else(PoisonError::into_inner).retain(|_, until| *until > now);
        }
    }

    /// Follows the feed until the verifier is dropped.
    pub(crate) async fn follow(this: Weak<Self>) {
        let (mut last, mut retry, mut is_said) = (None, FIRST_RETRY, false);
        loop {
            let Some(revocations) = this.upgrade() else { return };
            let (was_current, why) = revocations.follow_once(&this, &mut last).await;
            let Some((error, why)) = why else { return };
            revocations.set_last_error(Some(error));
            if was_current {
                (retry, is_said) = (FIRST_RETRY, false);
                revocations.set_current(false);
            }
            if !is_said {
                is_said = true;
                let (url, policy) = (&revocations.feed.load().url, revocations.policy);
                log::warn!("cannot follow the revocations at {url}: {why}; meanwhile: {policy}");
            }
            drop(revocations);
            // Not all at once: many services may have lost the same issuer.
            let jitter = f64::from(uuid::Uuid::new_v4().as_bytes()[0]) / 255.0;
            tokio::time::sleep(retry.mul_f64(0.5 + jitter / 2.0)).await;
            retry = (retry * 2).min(LAST_RETRY);
            if let Some(revocations) = this.upgrade() {
                revocations.reconnects.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Follows one connection to its end. Says whether all that was missed had been heard, and why it ended; no reason if
    /// nobody needs the feed any more.
    async fn follow_once(
        &self,
        this: &Weak<Self>,
        last: &mut Option<String>,
    ) -> (bool, Option<(FetchError, String)>) {
        let mut was_current = false;
        let failed = |why: &reqwest::Error| Some((FetchError::of(why, CONNECT_TIMEOUT), chain(why)));
        let feed = self.feed.load_full();
        let mut request = self.client.get(&feed.url).basic_auth(&feed.client_id, Some(&feed.client_secret));
        if let Some(last) = &*last {
            request = request.header("last-event-id", last);
        }
        let mut response = match tokio::time::timeout(SILENCE, self.hook.send(request)).await {
            Ok(Ok(response)) if response.status() == StatusCode::OK => response,
            Ok(Ok(response)) => {
                let status = response.status();
                return (false, Some((FetchError::Status(status.as_u16()), format!("it answers {status}"))));
            }
            Ok(Err(why)) => return (false, failed(&why)),
            Err(_) => return (false, Some((FetchError::Timeout(SILENCE), "no answer in time".into()))),
        };
        let (mut lines, mut event, mut cleaned) = (Lines::default(), Event::default(), Instant::now());
        loop {
            let chunk = match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return (was_current, Some((FetchError::ConnectionLost, "it ended".into()))),
                Ok(Err(why)) => return (was_current, failed(&why)),
                Err(_) => return (was_current, Some((FetchError::Silent(SILENCE), "it fell silent".into()))),
            };
            // This one, and the verifier's, if there is one.
            if this.strong_count() < 2 {
                return (was_current, None);
            }
            if !lines.add(&chunk) {
                return (was_current, Some((FetchError::InvalidResponse, "it is no feed of ours".into())));
            }
            while let Some(line) = lines.next() {
                match event.add(&line) {
                    None => {}
                    Some(FeedEvent::Ended { sid, until, id }) => {
                        self.hear(sid, until);
                        *last = id.or(last.take());
                    }
                    Some(FeedEvent::CaughtUp) => {
                        log::info!("following the revocations at {}", feed.url);
                        was_current = true;
                        self.set_last_error(None);
                    }
                }
            }
            if was_current {
                self.set_current(true);
            }
            if cleaned.elapsed() >= CLEANUP {
                cleaned = Instant::now();
                self.forget_expired();
            }
        }
    }
}
