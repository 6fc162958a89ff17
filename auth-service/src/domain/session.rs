//! How a session begins and ends.

/// Where a session began, or whatever else somebody asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub user_agent: Option<String>,
    pub ip: Option<String>,
}

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// Its owner logged out.
    Logout,
    /// A rotated refresh token was presented again.
    Reuse,
    /// Whoever had one of its tokens asked for it (RFC 7009).
    Revocation,
    /// Its owner logged out everywhere.
    LogoutEverywhere,
    /// Its owner ended it from another one.
    EndedByOwner,
    /// Its owner's password was changed.
    PasswordChange,
    /// Its owner may not log in any more.
    UserDisabled,
    /// Its owner is no more.
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

    /// What it is called in the database and in the audit trail.
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
