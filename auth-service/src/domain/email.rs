//! Email addresses: valid by RFC 5321, and unique without regard to case.

use email_address::{EmailAddress, Options};

use super::uniqueness_key;

/// Maximum length of an address: RFC 5321 section 4.5.3.1.3, without the angle brackets.
const MAX_BYTES: usize = 254;

/// An address that can receive mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Parses an address.
    ///
    /// # Errors
    /// The messages for the client.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        if text.is_empty() {
            return Err(vec!["This field may not be blank.".into()]);
        }
        if !is_valid(text) {
            return Err(vec!["Enter a valid email address.".into()]);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the address in the user's spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text that all spellings of this address share.
    pub fn uniqueness_key(&self) -> String {
        uniqueness_key(&self.0)
    }
}

fn is_valid(text: &str) -> bool {
    let options = Options::default();
    let options = options.with_required_tld().without_domain_literal().without_display_text();
    text.len() <= MAX_BYTES
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
        && EmailAddress::parse_with_options(text, options).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_share_a_key() {
        let mixed = Email::parse("Ada@Example.COM").unwrap();
        let lower = Email::parse("ada@example.com").unwrap();
        assert_eq!(mixed.uniqueness_key(), lower.uniqueness_key());
    }

    #[test]
    fn address_that_cannot_receive_mail_is_refused() {
        let too_long = format!("ada@{}.com", "x".repeat(250));
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "ada@[127.0.0.1]",
            "Ada <ada@example.com>",
            "ada@example.com\0",
            "ada@example.com\r\nBcc: x@example.com",
            "a da@example.com",
            "ada@exa mple.com",
            &too_long,
        ] {
            assert!(Email::parse(bad).is_err(), "{bad:?}");
        }
        for good in ["ada@example.com", "a.d+a@sub.example.co.uk", "ada@exämple.de"] {
            assert!(Email::parse(good).is_ok(), "{good:?}");
        }
    }
}
