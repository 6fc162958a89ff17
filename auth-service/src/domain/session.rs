//! How a session starts and ends.

use super::address::AddressPrefix;

/// Where a request comes from: the start of a session, or another action in the audit trail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    pub user_agent: Option<String>,
    pub ip: Option<String>,
}

impl Origin {
    /// Returns the part of the address that one client cannot change at will.
    pub fn address_prefix(&self) -> AddressPrefix {
        AddressPrefix::of(self.ip.as_deref())
    }

    /// Returns the network of the client address: the first 24 bits of an IPv4 address, the first
    /// 64 bits of an IPv6 address. Clients change their address within these networks. Returns
    /// zeros without an address.
    pub fn network(&self) -> [u8; 8] {
        match self.address_prefix() {
            AddressPrefix::Unknown => [0; 8],
            AddressPrefix::V6(prefix) => prefix,
            AddressPrefix::V4(address) => {
                let [a, b, c, _] = address.octets();
                [0, 0, 0, 0, 0xff, a, b, c]
            }
        }
    }
}

/// A short keyed hash of a request's origin, or [`OriginHash::UNKNOWN`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OriginHash(u32);

impl OriginHash {
    /// The origin of a rotation that the previous version of this service recorded, or of none.
    pub const UNKNOWN: Self = Self(0);

    /// Returns the hash whose stored form is `bits`.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// Returns the stored form.
    pub fn bits(self) -> u32 {
        self.0
    }

    /// Returns whether both origins are known and differ.
    pub fn differs_from(self, other: Self) -> bool {
        self != other && self != Self::UNKNOWN && other != Self::UNKNOWN
    }
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
    /// An administrator ended the session.
    EndedByAdmin,
    /// The user changed the password.
    PasswordChange,
    /// An operator voided the password.
    PasswordReset,
    /// An operator disabled the user.
    UserDisabled,
    /// The user is deleted: by an operator, by the user, or at the end of the grace period.
    UserDeleted,
    /// The user asked to delete the account. The grace period begins.
    DeletionRequested,
    /// The owner of a former email address undid its change.
    EmailChangeUndone,
    /// A newer session of the user began, and the user had as many as SESSIONS_PER_USER allows.
    SessionLimit,
}

impl EndCause {
    pub const ALL: [Self; 13] = [
        Self::Logout,
        Self::Reuse,
        Self::Revocation,
        Self::LogoutEverywhere,
        Self::EndedByOwner,
        Self::EndedByAdmin,
        Self::PasswordChange,
        Self::PasswordReset,
        Self::UserDisabled,
        Self::UserDeleted,
        Self::DeletionRequested,
        Self::EmailChangeUndone,
        Self::SessionLimit,
    ];

    /// Returns the name in the database, the audit trail and the metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Reuse => "refresh_reuse",
            Self::Revocation => "revocation",
            Self::LogoutEverywhere => "logout_everywhere",
            Self::EndedByOwner => "ended_by_owner",
            Self::EndedByAdmin => "ended_by_admin",
            Self::PasswordChange => "password_change",
            Self::PasswordReset => "password_reset",
            Self::UserDisabled => "user_disabled",
            Self::UserDeleted => "user_deleted",
            Self::DeletionRequested => "deletion_requested",
            Self::EmailChangeUndone => "email_change_undone",
            Self::SessionLimit => "session_limit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_one_network_are_one_origin() {
        let network = |ip: &str| Origin { ip: Some(ip.into()), ..Origin::default() }.network();
        assert_eq!(network("198.51.100.1"), network("198.51.100.254"));
        assert_eq!(network("198.51.100.1"), network("::ffff:198.51.100.1"));
        assert_eq!(network("2001:db8::1"), network("2001:db8::ffff:1"));
        assert_ne!(network("198.51.100.1"), network("198.51.101.1"));
        assert_ne!(network("2001:db8::1"), network("2001:db8:0:1::1"));
        assert_ne!(network("2001:db8::1"), Origin::default().network());
    }
}
