//! Passwords.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::password_rules::{MAX_BYTES, PasswordRules};

/// A password as a user typed it. `Debug` prints no content. Each copy is overwritten when it is
/// dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// Parses a password that proves a user's identity. Any text but the empty one is allowed,
    /// because the password may be older than the rules for new passwords.
    ///
    /// # Errors
    /// The messages for the client.
    pub fn parse(text: String) -> Result<Self, Vec<String>> {
        let text = Zeroizing::new(text);
        if text.is_empty() {
            return Err(vec!["This field may not be blank.".into()]);
        }
        Ok(Self(text))
    }

    /// Parses a password that a user chooses.
    ///
    /// # Errors
    /// The messages for the client: one for each rule that the password breaks.
    pub fn parse_new(text: String, rules: &PasswordRules) -> Result<Self, Vec<String>> {
        let password = Self::parse(text)?;
        if password.0.len() > MAX_BYTES {
            let limit = format!("It must contain at most {MAX_BYTES} bytes.");
            return Err(vec![format!("This password is too long. {limit}")]);
        }
        let errors = rules.broken_by(&password.normalized().0);
        if errors.is_empty() { Ok(password) } else { Err(errors) }
    }

    /// Returns whether the password is made of words of the user's names.
    pub fn is_made_of_names(&self, rules: &PasswordRules, username: &str, email: &str) -> bool {
        rules.is_made_of_names(&self.normalized().0, username, email)
    }

    /// Returns the password in the form in which it is hashed: NFKC, because keyboards differ in how
    /// they compose letters (NIST SP 800-63B-4 section 3.1.1.2).
    pub fn normalized(&self) -> Self {
        // A text that grows leaves copies behind. NFKC makes no text more than 11 times as long.
        let mut text = Zeroizing::new(String::with_capacity(11 * self.0.len()));
        text.extend(self.0.nfkc());
        Self(text)
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_length_counts_characters_and_maximum_length_counts_bytes() {
        let rules = PasswordRules::new(8, "");
        let is_accepted = |text: &str| Password::parse_new(text.into(), &rules).is_ok();
        assert!(!is_accepted("äöüßéèê"));
        assert!(is_accepted("äöüßéèêç"));
        // Seven letters in fourteen code points.
        assert!(!is_accepted(
            &"aceinos".chars().map(|c| format!("{c}\u{301}")).collect::<String>()
        ));
        let longest: String = "äö".chars().cycle().take(512).collect();
        assert!(is_accepted(&longest));
        assert!(!is_accepted(&format!("{longest}!")));
        assert!(!is_accepted("PassWord123"));
    }

    #[test]
    fn compositions_of_one_password_have_one_normalized_form() {
        let normalized = |text: &str| Password::parse(text.into()).unwrap().normalized();
        let normalized = |text: &str| normalized(text).0.to_string();
        assert_eq!(normalized("le\u{300}tmein"), normalized("lètmein"));
        assert_eq!(normalized("ﬁsh"), "fish");
    }

    #[test]
    fn debug_output_is_redacted() {
        let password = Password::parse("correct horse".into()).unwrap();
        assert_eq!(format!("{password:?}"), "Password(redacted)");
    }
}
