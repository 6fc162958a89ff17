//! A client follows the revocation feed.

use std::{sync::Arc, time::Duration};

use service_kit::shutdown::ShutdownToken;

use super::clients::{Client, Clients};
use crate::{
    domain::permission::{MissingPermission, Permission},
    revocation_feed::{EventId, Listener, Revocation, RevocationFeed},
};

/// Scope that a client needs to follow the feed.
const FEED_SCOPE: &str = "revocations:read";

/// Time without an event after which a listener receives a heartbeat. Proxies close a silent
/// connection later than this.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// Access to the revocation feed.
#[derive(Clone)]
pub struct FeedAccess {
    pub clients: Arc<Clients>,
    pub revocations: Arc<RevocationFeed>,
    pub shutdown: ShutdownToken,
}

/// Error returned when a client cannot follow the feed.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    #[error(transparent)]
    MissingScope(#[from] MissingPermission),
    #[error("the revocation feed is not ready")]
    NotReady,
}

/// What a client receives next.
#[derive(Debug)]
pub enum FeedItem {
    Revocations(Vec<Revocation>),
    /// All sessions that ended before the client subscribed have been sent. Sent once.
    CaughtUp,
    /// No session has ended since the last item.
    Heartbeat,
}

/// A client that follows the feed.
pub struct FeedFollower {
    access: FeedAccess,
    client_id: String,
    listener: Listener,
    is_caught_up: bool,
}

impl FeedAccess {
    /// Subscribes a client that has received all events up to `last`, from this replica or another.
    ///
    /// # Errors
    /// [`FollowError`].
    pub fn follow(
        &self,
        client: &Client,
        last: Option<EventId>,
    ) -> Result<FeedFollower, FollowError> {
        Permission::Scope(FEED_SCOPE.into()).require(&client.scope.clone().into(), &[])?;
        let listener = self.revocations.subscribe(last).ok_or(FollowError::NotReady)?;
        Ok(FeedFollower {
            access: self.clone(),
            client_id: client.id.as_str().to_owned(),
            listener,
            is_caught_up: false,
        })
    }
}

impl FeedFollower {
    /// Waits for the next item. Returns `None` when the client must reconnect: this replica shuts
    /// down or no longer receives all revocations, or the client was deleted.
    pub async fn next(&mut self) -> Option<FeedItem> {
        loop {
            if !self.is_caught_up && self.listener.is_caught_up() {
                self.is_caught_up = true;
                return Some(FeedItem::CaughtUp);
            }
            if let Some(page) = self.access.revocations.next_page(&mut self.listener) {
                return Some(FeedItem::Revocations(page));
            }
            let waited = tokio::select! {
                () = self.access.shutdown.triggered() => return None,
                waited = tokio::time::timeout(HEARTBEAT, self.listener.wait()) => waited,
            };
            if waited.is_err() {
                return self.heartbeat().await;
            }
        }
    }

    async fn heartbeat(&self) -> Option<FeedItem> {
        if !self.access.revocations.is_ready() {
            // A heartbeat would claim that no session has ended. Without it, the client applies its
            // outage policy.
            return None;
        }
        let client = self.access.clients.find(&self.client_id).await;
        // If the database does not answer, the client is taken to exist.
        let exists = client.map_or(true, |client| client.is_some());
        exists.then_some(FeedItem::Heartbeat)
    }
}
