//! [`Follower`]: the task that follows the revocation feed, and connects again after every error.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use reqwest::{Client, Response, StatusCode};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{
    Feed, Revocations,
    sse::{FeedEvent, FeedParser, ParseError},
};
use crate::{
    FetchError,
    fetch_error::FetchFailure,
    http::{self, chain},
    request_hook::Hook,
};

/// Maximum time without data. The issuer sends a comment after 3 seconds without an event.
const SILENCE: Duration = Duration::from_secs(5);
/// Maximum time until the issuer responds.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);
/// Maximum time to establish a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// First pause before a new connection. The pause doubles each time.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// Longest pause before a new connection.
const LAST_RETRY: Duration = Duration::from_secs(2);
/// Minimum length of an outage that is logged. A replica of the issuer that shuts down closes its
/// feeds, and a new connection reaches another replica at once.
const LOGGED_OUTAGE: Duration = Duration::from_secs(1);
/// Time between two removals of expired sessions.
const CLEANUP: Duration = Duration::from_secs(30);

/// Follows the revocation feed until the verifier is dropped.
pub(crate) struct Follower {
    revocations: Weak<Revocations>,
    client: Client,
    hook: Hook,
    /// Id of the last received event, where the next connection starts.
    last_event_id: Option<String>,
}

impl From<ParseError> for FetchFailure {
    fn from(error: ParseError) -> Self {
        Self { error: FetchError::InvalidResponse, details: error.to_string() }
    }
}

impl From<reqwest::Error> for FetchFailure {
    fn from(error: reqwest::Error) -> Self {
        Self { error: FetchError::from_reqwest(&error, CONNECT_TIMEOUT), details: chain(&error) }
    }
}

/// An outage of the feed, for the log: one line when it has lasted, not one for each attempt.
struct Outage {
    began: Instant,
    is_logged: bool,
}

impl Outage {
    fn begin() -> Self {
        Self { began: Instant::now(), is_logged: false }
    }

    fn log_once(&mut self, revocations: &Revocations, why: &FetchFailure) {
        let is_short = self.began.elapsed() < LOGGED_OUTAGE;
        let was_silent = matches!(why.error, FetchError::Silent(_));
        if self.is_logged || (is_short && !was_silent) {
            return;
        }
        self.is_logged = true;
        let url = &revocations.feed.load().url;
        let details = &why.details;
        let policy = revocations.policy;
        log::warn!("cannot follow the revocations at {url}: {details}; outage policy: {policy}");
    }
}

impl Follower {
    pub(crate) fn new(revocations: &Arc<Revocations>, hook: Hook) -> Self {
        // No total timeout, because the response does not end. No connection is used twice: behind a
        // balancer of connections, a kept one would lead to the same replica each time.
        let builder = Client::builder().connect_timeout(CONNECT_TIMEOUT).pool_max_idle_per_host(0);
        Self {
            revocations: Arc::downgrade(revocations),
            client: http::client(&revocations.feed.load().url, builder),
            hook,
            last_event_id: None,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut retry = FIRST_RETRY;
        let mut outage = Outage::begin();
        loop {
            let Some(revocations) = self.revocations.upgrade() else { return };
            let connection = self.follow_once(&revocations).await;
            let Err(why) = connection else { return };
            if revocations.is_current() {
                retry = FIRST_RETRY;
                outage = Outage::begin();
            }
            outage.log_once(&revocations, &why);
            revocations.record_disconnect(why);
            // A reference held during the pause would keep a dropped verifier's state alive.
            drop(revocations);
            sleep(with_jitter(retry)).await;
            retry = (retry * 2).min(LAST_RETRY);
            if let Some(revocations) = self.revocations.upgrade() {
                revocations.count_reconnect();
            }
        }
    }

    /// Follows one connection until it ends. Returns `Ok` once the verifier is dropped.
    async fn follow_once(&mut self, revocations: &Arc<Revocations>) -> Result<(), FetchFailure> {
        let feed = revocations.feed.load_full();
        let mut response = self.connect(&feed).await?;
        let mut parser = FeedParser::default();
        let mut is_caught_up = false;
        let mut last_cleanup = Instant::now();
        loop {
            let chunk = timeout(SILENCE, response.chunk()).await;
            let chunk = chunk.map_err(|_| FetchError::Silent(SILENCE))??;
            let chunk = chunk.ok_or(FetchError::ConnectionLost)?;
            // The verifier is dropped if this task has the only reference.
            if Arc::strong_count(revocations) < 2 {
                return Ok(());
            }
            parser.push(&chunk);
            while let Some(event) = parser.next_event()? {
                match event {
                    FeedEvent::Ended { sid, until, id } => {
                        revocations.record(sid, until);
                        self.last_event_id = id.or(self.last_event_id.take());
                    }
                    FeedEvent::CaughtUp => {
                        log::info!("following the revocations at {}", feed.url);
                        revocations.set_last_error(None);
                        is_caught_up = true;
                    }
                }
            }
            if is_caught_up {
                revocations.record_current();
            }
            if last_cleanup.elapsed() >= CLEANUP {
                last_cleanup = Instant::now();
                revocations.remove_expired();
            }
        }
    }

    /// Requests the feed, starting after the last received event.
    async fn connect(&self, feed: &Feed) -> Result<Response, FetchFailure> {
        let request = self.client.get(&feed.url);
        let mut request = request.basic_auth(&feed.client_id, Some(&feed.client_secret));
        if let Some(id) = &self.last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = timeout(RESPONSE_TIMEOUT, self.hook.send(request)).await;
        let response = response.map_err(|_| FetchError::Timeout(RESPONSE_TIMEOUT))??;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => Err(FetchFailure {
                error: FetchError::Status(status.as_u16()),
                details: format!("unexpected status {status}"),
            }),
        }
    }
}

/// Returns 50 % to 100 % of a pause, so that services that lost one issuer at the same time do not
/// connect at the same time.
fn with_jitter(pause: Duration) -> Duration {
    let random = f64::from(Uuid::new_v4().as_bytes()[0]) / 255.0;
    pause.mul_f64(0.5 + random / 2.0)
}
