//! Passwords: length and commonness decide, composition does not (NIST SP 800-63B-4 section 3.1.1.2).

use std::fmt;

use super::uniqueness_key;

const MIN_CHARS: usize = 8;
const MAX_BYTES: usize = 1024;

/// The 19,640 most common passwords, in lower case and byte order. From Django's list, which Royce Williams drew
/// from breaches.
const COMMON: &str = include_str!("common-passwords.txt");

/// A password as somebody typed it. Never printed.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// A password to log in with: it may be anything but empty, for it may be older than the rules.
    pub fn parse(text: String) -> Result<Self, Vec<String>> {
        if text.is_empty() {
            return Err(vec!["This field may not be blank.".into()]);
        }
        Ok(Self(text))
    }

    /// A password to register with, or every reason why it will not do.
    pub fn parse_new(text: String) -> Result<Self, Vec<String>> {
        let password = Self::parse(text)?;
        let mut wrong = Vec::new();
        if password.0.chars().count() < MIN_CHARS {
            wrong.push(format!(
                "This password is too short. It must contain at least {MIN_CHARS} characters."
            ));
        }
        if password.0.len() > MAX_BYTES {
            wrong.push(format!("This password is too long. It must contain at most {MAX_BYTES} bytes."));
        } else if is_common(&uniqueness_key(&password.0)) {
            wrong.push("This password is too common.".into());
        }
        if wrong.is_empty() { Ok(password) } else { Err(wrong) }
    }

    /// Whether it is just this name, in whatever case.
    pub fn equals_ignoring_case(&self, name: &str) -> bool {
        uniqueness_key(&self.0) == uniqueness_key(name)
    }

    /// The bytes to hash.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

/// A binary search in the text itself, which needs no memory but the text.
fn is_common(password: &str) -> bool {
    let (mut from, mut to) = (0, COMMON.len());
    while from < to {
        let middle = (from + to) / 2;
        let start =
            COMMON.as_bytes()[..middle].iter().rposition(|&b| b == b'\n').map_or(0, |newline| newline + 1);
        let end =
            COMMON.as_bytes()[middle..].iter().position(|&b| b == b'\n').map_or(COMMON.len(), |n| middle + n);
        match COMMON.as_bytes()[start..end].cmp(password.as_bytes()) {
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Less => from = end + 1,
            std::cmp::Ordering::Greater => to = start,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_common_password_is_found_and_nothing_else() {
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
    fn length_counts_characters_below_and_bytes_above() {
        assert!(Password::parse_new("äöüßéèê".into()).is_err());
        assert!(Password::parse_new("äöüßéèêç".into()).is_ok());
        assert!(Password::parse_new("ä".repeat(512)).is_ok());
        assert!(Password::parse_new("ä".repeat(513)).is_err());
        assert!(Password::parse_new("PassWord123".into()).is_err());
        assert!(Password::parse_new("nul\0is\0fine".into()).is_ok());
    }

    #[test]
    fn is_not_printed() {
        let password = Password::parse("correct horse".into()).unwrap();
        assert_eq!(format!("{password:?}"), "Password(redacted)");
    }
}
