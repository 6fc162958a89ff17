//! Names that commands parse, and times that they print.

use jiff::Timestamp;

use crate::domain::email::Email;
pub use crate::domain::permission::parse_granted_name as scope_name;

/// Parses an email address of a new user.
pub fn new_email(text: &str) -> Result<Email, String> {
    Email::parse_new(text).map_err(|why| why.join(" "))
}

/// Splits a list of names that spaces separate.
pub fn names(list: &str) -> Vec<&str> {
    list.split_whitespace().collect()
}

/// Formats a time for people (RFC 3339), to the second.
pub fn time(ms: i64) -> String {
    Timestamp::from_second(ms / 1000).map_or_else(|_| "-".into(), |time| time.to_string())
}
