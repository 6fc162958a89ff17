//! Readiness: whether a verifier can decide on tokens, and why not.

use std::time::{Duration, Instant};

use super::Verifier;
use crate::{FetchError, revocations::FeedState};

/// Maximum time that [`Verifier::ready`] waits.
const READY_LIMIT: Duration = Duration::from_secs(15);
/// Time between two looks at the state. The state changes in other tasks.
const READY_POLL: Duration = Duration::from_millis(20);

/// Why a verifier cannot decide on tokens. The text is for the operator: it may name addresses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct NotReady {
    /// The reason, in one line.
    pub reason: String,
}

impl From<String> for NotReady {
    fn from(reason: String) -> Self {
        Self { reason }
    }
}

impl Verifier {
    /// Waits until the verifier can decide on tokens, for an app that checks its settings at start.
    /// Waits for at most 15 seconds, and not at all for what does not pass by itself: an issuer
    /// whose metadata names another URL, a revocation feed that refuses the client.
    ///
    /// An app can ignore the error: the verifier goes on trying, and answers 503 meanwhile.
    ///
    /// ```no_run
    /// # async fn example() {
    /// let verifier = shared::Verifier::builder("http://localhost:8080").audience("api").build();
    /// if let Err(why) = verifier.ready().await {
    ///     eprintln!("no access token can be verified: {why}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`NotReady`] with the reason.
    pub async fn ready(&self) -> Result<(), NotReady> {
        let deadline = Instant::now() + READY_LIMIT;
        loop {
            if let Some(fault) = self.misconfiguration() {
                return Err(fault);
            }
            if self.is_ready() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(self.outage());
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// Returns a fault of the settings, which does not pass by itself.
    fn misconfiguration(&self) -> Option<NotReady> {
        if !self.0.checks.any_audience && self.0.checks.audiences.is_empty() {
            return Some("the verifier has no audience, so it accepts no token".to_owned().into());
        }
        if let Some(failure) = self.0.keys.last_failure()
            && failure.error == FetchError::IssuerMismatch
        {
            return Some(failure.details.into());
        }
        let revocations = self.0.revocations.as_ref()?;
        match revocations.last_error()?.error {
            FetchError::Status(status @ (401 | 403 | 404)) => {
                let meaning = match status {
                    401 => "the client's id or secret is wrong",
                    403 => "the client lacks the scope revocations:read",
                    _ => "the URL names no revocation feed",
                };
                let url = revocations.feed_url();
                Some(format!("{url} answered {status}: {meaning}").into())
            }
            _ => None,
        }
    }

    /// Returns why the verifier is not ready at the moment.
    fn outage(&self) -> NotReady {
        if let Some(failure) = self.0.keys.last_failure() {
            return failure.details.into();
        }
        let revocations = self.0.revocations.as_ref();
        match revocations.and_then(|revocations| Some((revocations, revocations.last_error()?))) {
            Some((revocations, why)) => {
                let url = revocations.feed_url();
                format!("cannot follow the revocations at {url}: {}", why.details).into()
            }
            None => "the verifier has no keys or no revocations yet".to_owned().into(),
        }
    }

    /// Returns `true` if the verifier can decide on tokens: it has keys, and it follows the
    /// revocation feed or the outage policy accepts tokens.
    ///
    /// At its start, a verifier with a feed waits for the sessions that ended before: under
    /// [`OutagePolicy::UntilExpiry`](crate::revocations::OutagePolicy::UntilExpiry) for at most 10
    /// seconds.
    pub fn is_ready(&self) -> bool {
        let revocations = self.0.revocations.as_ref();
        revocations.is_none_or(|revocations| revocations.is_usable()) && self.has_keys()
    }

    /// Returns `true` if the verifier has keys that are not too old.
    pub fn has_keys(&self) -> bool {
        self.0.keys.has_keys(self.0.clock.now_secs())
    }

    /// Returns why the verifier has no keys, for a health check, or `None` if it has keys.
    pub fn keys_error(&self) -> Option<FetchError> {
        if self.has_keys() {
            return None;
        }
        let failure = self.0.keys.last_failure();
        Some(failure.map_or(FetchError::NotFetchedYet, |failure| failure.error))
    }

    /// Returns `true` while the verifier follows the revocation feed, or `None` if no feed is set.
    pub fn follows_revocations(&self) -> Option<bool> {
        self.0.revocations.as_ref().map(|revocations| revocations.is_current())
    }

    /// Returns the state of the revocation feed, for metrics and health checks, or `None` if no
    /// feed is set.
    pub fn revocations(&self) -> Option<FeedState> {
        self.0.revocations.as_ref().map(|revocations| revocations.state())
    }
}
