//! How a session starts and ends.

/// Where a request comes from: the start of a session, or another action in the audit trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub user_agent: Option<String>,
    pub ip: Option<String>,
}

/// The reason why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// The user logged out.
    Logout,
    /// A client presented a refresh token that had been rotated.
    Reuse,
    /// A client revoked one of the session's tokens (RFC 7009).
    Revocation,
    /// The user logged out of all sessions.
    LogoutEverywhere,
    /// The user ended the session from another session.
    EndedByOwner,
    /// The user changed the password.
    PasswordChange,
    /// An operator disabled the user.
    UserDisabled,
    /// An operator deleted the user.
    UserDeleted,
}

impl EndCause {
    pub const ALL: [Self; 8] = [
        Self::Logout,
        Self::Reuse,
        Self::Revocation,
        Self::LogoutEverywhere,
        Self::EndedByOwner,
        Self::PasswordChange,
        Self::UserDisabled,
        Self::UserDeleted,
    ];

    /// Returns the name in the database, the audit trail and the metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "refresh_reuse",
            Self::Revocation => "revocation",
            Self::LogoutEverywhere => "logout_everywhere",
            Self::EndedByOwner => "ended_by_owner",
            Self::PasswordChange => "password_change",
            Self::UserDisabled => "user_disabled",
            Self::UserDeleted => "user_deleted",
        }
    }
}
