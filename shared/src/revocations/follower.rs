//! [`Follower`]: the task that follows the revocation feed, and connects again after every error.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use reqwest::{Client, Response, StatusCode, redirect::Policy};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::{
    Feed, Revocations,
    sse::{FeedEvent, FeedParser, MAX_EVENT_BYTES, TooLarge},
};
use crate::{
    FetchError,
    http::{chain, is_loopback},
    request_hook::Hook,
};

/// Maximum time without data. The issuer sends a comment every 3 seconds.
const SILENCE: Duration = Duration::from_secs(10);
/// Maximum time to establish a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// First pause before a new connection. The pause doubles each time.
const FIRST_RETRY: Duration = Duration::from_millis(100);
/// Longest pause before a new connection.
const LAST_RETRY: Duration = Duration::from_secs(2);
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

/// Why a connection to the feed ended.
struct Disconnect {
    error: FetchError,
    /// Details for the log.
    details: String,
}

impl From<FetchError> for Disconnect {
    fn from(error: FetchError) -> Self {
        Self { error, details: error.to_string() }
    }
}

impl From<reqwest::Error> for Disconnect {
    fn from(error: reqwest::Error) -> Self {
        Self { error: FetchError::from_reqwest(&error, CONNECT_TIMEOUT), details: chain(&error) }
    }
}

impl From<TooLarge> for Disconnect {
    fn from(TooLarge: TooLarge) -> Self {
        let details = format!("an event is larger than {MAX_EVENT_BYTES} bytes");
        Self { error: FetchError::InvalidResponse, details }
    }
}

impl Follower {
    pub(crate) fn new(revocations: &Arc<Revocations>, hook: Hook) -> Self {
        // No total timeout, because the response does not end.
        let mut client =
            Client::builder().connect_timeout(CONNECT_TIMEOUT).redirect(Policy::none());
        if is_loopback(&revocations.feed.load().url) {
            client = client.no_proxy();
        }
        Self {
            revocations: Arc::downgrade(revocations),
            client: client.build().unwrap_or_default(),
            hook,
            last_event_id: None,
        }
    }

    pub(crate) async fn run(mut self) {
        let mut retry = FIRST_RETRY;
        // One warning per outage, not one per attempt.
        let mut is_outage_logged = false;
        loop {
            let Some(revocations) = self.revocations.upgrade() else { return };
            let connection = self.follow_once(&revocations).await;
            let Err(Disconnect { error, details }) = connection else { return };
            revocations.set_last_error(Some(error));
            if revocations.is_current() {
                revocations.set_current(false);
                retry = FIRST_RETRY;
                is_outage_logged = false;
            }
            if !is_outage_logged {
                is_outage_logged = true;
                let url = &revocations.feed.load().url;
                let policy = revocations.policy;
                log::warn!(
                    "cannot follow the revocations at {url}: {details}; outage policy: {policy}"
                );
            }
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
    async fn follow_once(&mut self, revocations: &Arc<Revocations>) -> Result<(), Disconnect> {
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
                revocations.set_current(true);
            }
            if last_cleanup.elapsed() >= CLEANUP {
                last_cleanup = Instant::now();
                revocations.remove_expired();
            }
        }
    }

    /// Requests the feed, starting after the last received event.
    async fn connect(&self, feed: &Feed) -> Result<Response, Disconnect> {
        let request = self.client.get(&feed.url);
        let mut request = request.basic_auth(&feed.client_id, Some(&feed.client_secret));
        if let Some(id) = &self.last_event_id {
            request = request.header("last-event-id", id);
        }
        let response = timeout(SILENCE, self.hook.send(request)).await;
        let response = response.map_err(|_| FetchError::Timeout(SILENCE))??;
        match response.status() {
            StatusCode::OK => Ok(response),
            status => Err(Disconnect {
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
