//! Ended sessions: received from the issuer's revocation feed in the background and kept in memory,
//! so that a logout takes effect within a second and a request costs one look-up.
//!
//! | item | content |
//! |---|---|
//! | [`Feed`] | the address of the feed and the credentials for it |
//! | [`FeedState`] | the state of the feed, for metrics and health checks |
//! | [`OutagePolicy`] | how tokens are treated while the feed cannot be followed |
//! | `ended_sessions` | the ended sessions in memory |
//! | `follower` | the task that follows the feed |
//! | `sse` | the parser of the feed |

mod ended_sessions;
mod follower;
mod outage_policy;
mod sse;
mod state;

use std::fmt;

pub(crate) use self::{follower::Follower, state::Revocations};
pub use self::{outage_policy::OutagePolicy, state::FeedState};

/// Address of the revocation feed, and credentials of a client with the scope `revocations:read`.
#[derive(Clone)]
pub struct Feed {
    /// URL of `GET /revocations` of auth-service.
    pub url: String,
    /// Id of the client.
    pub client_id: String,
    /// Secret of the client. `Debug` does not print it.
    pub client_secret: String,
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, client_id, client_secret: _ } = self;
        f.debug_struct("Feed")
            .field("url", url)
            .field("client_id", client_id)
            .finish_non_exhaustive()
    }
}
