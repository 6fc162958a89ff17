//! The name that a user logs in with.

use super::{email::Email, username::Username};

/// Username or email address that a user logs in with, folded to the form in which it is unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginKey {
    Username(String),
    Email(String),
}

impl LoginKey {
    /// Parses a name: an email address contains an `@`, a username cannot. Returns `None` for text
    /// that no user can have as a name.
    pub fn parse(name: &str) -> Option<Self> {
        if name.contains('@') {
            Email::parse(name).ok().map(|email| Self::Email(email.uniqueness_key()))
        } else {
            Username::parse(name).ok().map(|username| Self::Username(username.uniqueness_key()))
        }
    }
}
