//! Passwords: length and commonness decide, composition does not (NIST SP 800-63B-4 section
//! 3.1.1.2).

use std::{cmp::Ordering, fmt};

use super::uniqueness_key;

const MIN_CHARS: usize = 8;
const MAX_BYTES: usize = 1024;

/// The 19,640 most common passwords, in lower case and in byte order: Django's list, which Royce
/// Williams compiled from breaches.
const COMMON: &str = include_str!("common-passwords.txt");

/// A password as a user typed it. `Debug` prints no content.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// Parses a password that proves a user's identity. Any text but the empty one is allowed,
    /// because the password may be older than the rules for new passwords.
    ///
    /// # Errors
    /// The messages for the client.
    pub fn parse(text: String) -> Result<Self, Vec<String>> {
        if text.is_empty() {
            return Err(vec!["This field may not be blank.".into()]);
        }
        Ok(Self(text))
    }

    /// Parses a password that a user chooses.
    ///
    /// # Errors
    /// The messages for the client: one for each rule that the password breaks.
    pub fn parse_new(text: String) -> Result<Self, Vec<String>> {
        let password = Self::parse(text)?;
        let text = &password.0;
        let mut errors = Vec::new();
        if text.chars().count() < MIN_CHARS {
            let limit = format!("It must contain at least {MIN_CHARS} characters.");
            errors.push(format!("This password is too short. {limit}"));
        }
        if text.len() > MAX_BYTES {
            let limit = format!("It must contain at most {MAX_BYTES} bytes.");
            errors.push(format!("This password is too long. {limit}"));
        } else if is_common(&uniqueness_key(text)) {
            errors.push("This password is too common.".into());
        }
        if errors.is_empty() { Ok(password) } else { Err(errors) }
    }

    /// Returns `true` if the password is a spelling of `name`.
    pub fn equals_ignoring_case(&self, name: &str) -> bool {
        uniqueness_key(&self.0) == uniqueness_key(name)
    }

    /// Returns the bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// Searches [`COMMON`] with a binary search in the text itself, so that no index takes memory.
fn is_common(password: &str) -> bool {
    let list = COMMON.as_bytes();
    let mut from = 0;
    let mut to = list.len();
    while from < to {
        let middle = (from + to) / 2;
        let newline_before = list[..middle].iter().rposition(|&byte| byte == b'\n');
        let newline_after = list[middle..].iter().position(|&byte| byte == b'\n');
        let start = newline_before.map_or(0, |newline| newline + 1);
        let end = newline_after.map_or(list.len(), |newline| middle + newline);
        match list[start..end].cmp(password.as_bytes()) {
            Ordering::Equal => return true,
            Ordering::Less => from = end + 1,
            Ordering::Greater => to = start,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_password_is_found_and_no_other_text() {
        assert!(COMMON.lines().count() >= 10_000);
        assert!(COMMON.lines().is_sorted_by(|a, b| a.as_bytes() < b.as_bytes()));
        for line in COMMON.lines() {
            assert!(is_common(line), "{line}");
            assert!(!is_common(&format!("{line}\u{1}")), "{line}");
        }
        for rare in ["", "\n", "correct horse battery", "~~~~~~~~~~~", "password\n"] {
            assert!(!is_common(rare), "{rare:?}");
        }
    }

    #[test]
    fn minimum_length_counts_characters_and_maximum_length_counts_bytes() {
        let is_accepted = |text: &str| Password::parse_new(text.into()).is_ok();
        assert!(!is_accepted("äöüßéèê"));
        assert!(is_accepted("äöüßéèêç"));
        assert!(is_accepted(&"ä".repeat(512)));
        assert!(!is_accepted(&"ä".repeat(513)));
        assert!(!is_accepted("PassWord123"));
        assert!(is_accepted("nul\0is\0fine"));
    }

    #[test]
    fn debug_output_is_redacted() {
        let password = Password::parse("correct horse".into()).unwrap();
        assert_eq!(format!("{password:?}"), "Password(redacted)");
    }
}
