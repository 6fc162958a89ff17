//! A session as its tokens describe it.

use shared::claims::SessionId;

use crate::domain::user_claims::UserClaims;

/// A session as its tokens describe it. Times are seconds since the Unix epoch.
#[derive(Clone, Debug)]
pub struct Session {
    pub sid: SessionId,
    pub user: UserClaims,
    /// The audiences that the login asked for, of which each access token of the session is for all
    /// or for a part. Empty: all audiences of a user.
    pub audiences: Vec<String>,
    /// Time of the login.
    pub auth_time: i64,
    /// Time at which the session ends, however often a client refreshes it. The login fixes this
    /// time, so a later change of SESSION_LIFETIME does not move it.
    pub ends_at: i64,
}
