//! Sessions that have ended: heard of from the issuer's feed in the background, and looked up in memory, so that a logout
//! takes effect within a second and costs a request nothing.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{
        Mutex, PoisonError, RwLock, Weak,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use reqwest::StatusCode;
use serde::Deserialize;

use crate::{Trouble, VerifyError, calls, claims::SessionId, clock::Clock};

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
/// No event of the feed is near it.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// Readers of different sessions do not wait for one another.
const SHARDS: usize = 16;

/// What becomes of tokens while nobody can tell whether their sessions have ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutagePolicy {
    /// They are accepted until they expire.
    #[default]
    UntilExpiry,
    /// They are accepted for this long.
    Bounded(Duration),
    /// They are refused.
    Closed,
}

impl OutagePolicy {
    /// Whether tokens are accepted when nobody has been able to tell for this long.
    pub fn accepts_after(self, silence: Duration) -> bool {
        match self {
            Self::UntilExpiry => true,
            Self::Bounded(limit) => silence < limit,
            Self::Closed => false,
        }
    }
}

impl FromStr for OutagePolicy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let seconds = || text.strip_prefix("bounded:")?.parse().ok();
        match (text, seconds()) {
            ("until_expiry", _) => Ok(Self::UntilExpiry),
            ("closed", _) => Ok(Self::Closed),
            (_, Some(seconds)) => Ok(Self::Bounded(Duration::from_secs(seconds))),
            _ => Err("must be until_expiry, bounded:SECONDS or closed"),
        }
    }
}

impl fmt::Display for OutagePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UntilExpiry => f.write_str("until_expiry"),
            Self::Bounded(limit) => write!(f, "bounded:{}", limit.as_secs()),
            Self::Closed => f.write_str("closed"),
        }
    }
}

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
    pub trouble: Option<Trouble>,
}

impl FeedState {
    /// For a health check.
    ///
    /// # Errors
    /// Why it is not being followed, and since when.
    pub fn check(&self) -> Result<(), String> {
        let silence = self.silent_for.as_secs();
        match self.trouble {
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
    /// By session, until when its tokens may be alive, in seconds since the Unix epoch.
    ended: [RwLock<HashMap<SessionId, i64>>; SHARDS],
    began: Instant,
    /// Whether the feed is being followed, and all that was missed has been heard.
    is_current: AtomicBool,
    /// When it last was, in milliseconds after `began`.
    current_ms: AtomicI64,
    reconnects: AtomicU64,
    trouble: Mutex<Option<Trouble>>,
}

impl Revocations {
    pub(crate) fn new(feed: Feed, policy: OutagePolicy, clock: Clock) -> Self {
        let mut client = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none());
        if super::keys::is_loopback(&feed.url) {
            // No proxy could reach it.
            client = client.no_proxy();
        }
        Self {
            feed: ArcSwap::from_pointee(feed),
            policy,
            clock,
            client: client.build().unwrap_or_default(),
            ended: Default::default(),
            began: Instant::now(),
            is_current: AtomicBool::new(false),
            current_ms: AtomicI64::new(0),
            reconnects: AtomicU64::new(0),
            trouble: Mutex::default(),
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
            trouble: *self.trouble.lock().unwrap_or_else(PoisonError::into_inner),
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

    fn set_trouble(&self, trouble: Option<Trouble>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
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
            let Some((trouble, why)) = why else { return };
            revocations.set_trouble(Some(trouble));
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
    ) -> (bool, Option<(Trouble, String)>) {
        let mut was_current = false;
        let failed =
            |why: &reqwest::Error| Some((Trouble::of(why, CONNECT_TIMEOUT), super::keys::chain(why)));
        let feed = self.feed.load_full();
        let mut request = self.client.get(&feed.url).basic_auth(&feed.client_id, Some(&feed.client_secret));
        if let Some(last) = &*last {
            request = request.header("last-event-id", last);
        }
        let mut response = match tokio::time::timeout(SILENCE, calls::send(request)).await {
            Ok(Ok(response)) if response.status() == StatusCode::OK => response,
            Ok(Ok(response)) => {
                let status = response.status();
                return (false, Some((Trouble::Status(status.as_u16()), format!("it answers {status}"))));
            }
            Ok(Err(why)) => return (false, failed(&why)),
            Err(_) => return (false, Some((Trouble::NoAnswer(SILENCE), "no answer in time".into()))),
        };
        let (mut lines, mut event, mut cleaned) = (Lines::default(), Event::default(), Instant::now());
        loop {
            let chunk = match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(chunk))) => chunk,
                Ok(Ok(None)) => return (was_current, Some((Trouble::Lost, "it ended".into()))),
                Ok(Err(why)) => return (was_current, failed(&why)),
                Err(_) => return (was_current, Some((Trouble::Silent(SILENCE), "it fell silent".into()))),
            };
            // This one, and the verifier's, if there is one.
            if this.strong_count() < 2 {
                return (was_current, None);
            }
            if !lines.add(&chunk) {
                return (was_current, Some((Trouble::NotUnderstood, "it is no feed of ours".into())));
            }
            while let Some(line) = lines.next() {
                match event.add(&line) {
                    None => {}
                    Some(Heard::Ended { sid, until, id }) => {
                        self.hear(sid, until);
                        *last = id.or(last.take());
                    }
                    Some(Heard::CaughtUp) => {
                        log::info!("following the revocations at {}", feed.url);
                        was_current = true;
                        self.set_trouble(None);
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

/// The lines of a stream of bytes.
#[derive(Default)]
struct Lines {
    bytes: Vec<u8>,
    /// Up to where they have been read.
    read: usize,
}

impl Lines {
    /// Says whether that is no more than a line may be. To be called when there is no whole line left.
    fn add(&mut self, chunk: &[u8]) -> bool {
        self.bytes.drain(..std::mem::take(&mut self.read));
        self.bytes.extend_from_slice(chunk);
        self.bytes.len() - self.bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
            <= MAX_LINE_BYTES
    }

    fn next(&mut self) -> Option<String> {
        let rest = &self.bytes[self.read..];
        let line = &rest[..rest.iter().position(|byte| *byte == b'\n')?];
        self.read += line.len() + 1;
        Some(String::from_utf8_lossy(line).trim_end_matches('\r').to_owned())
    }
}

/// What an event said.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Ended { sid: SessionId, until: i64, id: Option<String> },
    CaughtUp,
}

/// An event of which not all lines are here yet (HTML, section 9.2.6).
#[derive(Default)]
struct Event {
    id: Option<String>,
    name: String,
    data: String,
}

impl Event {
    /// What it says, once it is whole.
    fn add(&mut self, line: &str) -> Option<Heard> {
        #[derive(Deserialize)]
        struct Ended {
            sid: SessionId,
            until: i64,
        }
        if line.is_empty() {
            let Self { id, name, data } = std::mem::take(self);
            return match name.as_str() {
                "revoked" => {
                    let Ended { sid, until } = serde_json::from_str(&data).ok()?;
                    Some(Heard::Ended { sid, until, id })
                }
                "caught-up" => Some(Heard::CaughtUp),
                _ => None,
            };
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.id = Some(value.to_owned()),
            "event" => value.clone_into(&mut self.name),
            "data" => self.data.push_str(value),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_however_they_are_cut() {
        let sid = SessionId::generate();
        let text = format!(
            ":\n\nid: 5-0\r\nevent: revoked\r\ndata: {{\"sid\":\"{sid}\",\r\ndata:\"until\":7}}\r\n\r\nevent: other\ndata: x\n\n\
             event: revoked\ndata: nonsense\n\nevent: caught-up\ndata: {{}}\n\n"
        );
        for size in 1..text.len() {
            let (mut lines, mut event, mut heard) = (Lines::default(), Event::default(), Vec::new());
            for chunk in text.as_bytes().chunks(size) {
                assert!(lines.add(chunk));
                while let Some(line) = lines.next() {
                    heard.extend(event.add(&line));
                }
            }
            assert_eq!(heard, [Heard::Ended { sid, until: 7, id: Some("5-0".into()) }, Heard::CaughtUp]);
        }
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut lines = Lines::default();
        assert!(lines.add(&[b'x'; MAX_LINE_BYTES]));
        assert!(!lines.add(b"x"));
    }

    #[test]
    fn the_policy_is_read_as_it_is_written() {
        for text in ["until_expiry", "bounded:30", "closed"] {
            assert_eq!(text.parse::<OutagePolicy>().unwrap().to_string(), text);
        }
        for bad in ["", "open", "bounded", "bounded:", "bounded:-1", "bounded:x"] {
            assert!(bad.parse::<OutagePolicy>().is_err(), "{bad}");
        }
    }
}
