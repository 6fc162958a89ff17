//! The name that a user logs in with.

use super::{email::Email, fold::NameKeys, username::Username};

/// Username or email address that a user logs in with, as the keys by which
/// the database finds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginKey {
    Username(NameKeys),
    Email(NameKeys),
}

impl LoginKey {
    /// Returns bytes that differ for different names, and that the spellings of a name share.
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, key) = match self {
            Self::Username(keys) => ("username:", &*keys.folded),
            Self::Email(keys) => ("email:", &*keys.folded),
        };
        [kind, key].concat().into_bytes()
    }

    /// Returns a key that no user has, to look up in place of a name that no user can have.
    pub fn of_no_user() -> Self {
        Self::Username(NameKeys { key: String::new(), folded: String::new() })
    }

    /// Parses a name: an email address contains an `@`, a username cannot. Returns `None` for text
    /// that no user can have as a name.
    pub fn parse(name: &str) -> Option<Self> {
        if name.contains('@') {
            Email::parse(name).ok().map(|email| Self::Email(email.keys()))
        } else {
            Username::parse(name).ok().map(|username| Self::Username(username.keys()))
        }
    }
}
