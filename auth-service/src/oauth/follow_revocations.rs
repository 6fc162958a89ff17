//! A client follows the revocation feed.

use std::{
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use service_kit::shutdown::ShutdownToken;

use super::clients::{Client, Clients};
use crate::{
    domain::permission::{MissingPermission, Permission},
    revocation_feed::{EventId, Listener, Revocation, RevocationFeed},
};

/// Scope that a client needs to follow the feed.
const FEED_SCOPE: &str = "revocations:read";

/// Time without an event after which a listener receives a heartbeat. Verifiers take a silence of 5
/// seconds for an outage. Proxies close a silent connection later than this.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// Time between two look-ups of a client that follows the feed.
const CLIENT_CHECK_INTERVAL: Duration = Duration::from_secs(3);

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
    client_check: ClientCheck,
}

/// A look-up of the client: it waits for its time, or is in progress.
///
/// Events do not interrupt a look-up, and a look-up delays no event and no heartbeat.
enum ClientCheck {
    DueAt(Instant),
    InProgress(Pin<Box<dyn Future<Output = ClientState>>>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ClientState {
    Exists,
    Deleted,
}

impl ClientCheck {
    fn next() -> Self {
        Self::DueAt(Instant::now() + CLIENT_CHECK_INTERVAL)
    }

    /// Waits until the client is deleted.
    async fn until_deleted(&mut self, clients: &Arc<Clients>, id: &str) {
        loop {
            match self {
                Self::DueAt(at) => {
                    tokio::time::sleep_until((*at).into()).await;
                    let look_up = look_up(Arc::clone(clients), id.to_owned());
                    *self = Self::InProgress(Box::pin(look_up));
                }
                Self::InProgress(look_up) => {
                    let state = look_up.await;
                    *self = Self::next();
                    if state == ClientState::Deleted {
                        return;
                    }
                }
            }
        }
    }
}

/// Looks up a client. If the database does not answer, the client is taken to exist.
async fn look_up(clients: Arc<Clients>, id: String) -> ClientState {
    match clients.find(&id).await {
        Ok(None) => ClientState::Deleted,
        Ok(Some(_)) | Err(_) => ClientState::Exists,
    }
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
            client_check: ClientCheck::next(),
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
            let Self { access, client_id, listener, client_check, .. } = self;
            let waited = tokio::select! {
                () = access.shutdown.triggered() => return None,
                // A heartbeat would claim that no session has ended. Without it, the client applies
                // its outage policy.
                () = access.revocations.silent() => return None,
                () = client_check.until_deleted(&access.clients, client_id) => return None,
                waited = tokio::time::timeout(HEARTBEAT, listener.wait()) => waited,
            };
            if waited.is_err() {
                return Some(FeedItem::Heartbeat);
            }
        }
    }
}
