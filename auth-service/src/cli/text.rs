//! Names that commands parse, and times that they print.

use jiff::Timestamp;

use crate::domain::email::Email;
pub use crate::domain::{audience::parse_name as audience_name, scope::parse_name as scope_name};

/// Parses an email address of a new user.
pub fn new_email(text: &str) -> Result<Email, String> {
    Email::parse_new(text).map_err(|why| why.join(" "))
}

/// Splits a list of names that spaces separate.
pub fn names(list: &str) -> Vec<&str> {
    list.split_whitespace().collect()
}

/// Returns a text of a file with every control character as an escape, so that it cannot change what
/// a terminal shows.
pub fn printable(text: &str) -> String {
    let is_control = |c: char| {
        c.is_control()
            || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let escape = |c: char| match is_control(c) {
        true => c.escape_unicode().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// Formats a time for people (RFC 3339), to the second.
pub fn time(ms: i64) -> String {
    Timestamp::from_second(ms / 1000).map_or_else(|_| "-".into(), |time| time.to_string())
}
