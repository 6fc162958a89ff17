//! Email addresses: syntactically valid (RFC 5321), unique without regard to case.

use email_address::{EmailAddress, Options};

use super::uniqueness_key;

/// RFC 5321 section 4.5.3.1.3, less the angle brackets.
const MAX_BYTES: usize = 254;

/// An address that could receive mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// The address, or why it cannot be one.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        if text.is_empty() {
            return Err(vec!["This field may not be blank.".into()]);
        }
        let plain = !text.chars().any(|c| c.is_control() || c.is_whitespace());
        if text.len() > MAX_BYTES || !plain || EmailAddress::parse_with_options(text, options).is_err() {
            return Err(vec!["Enter a valid email address.".into()]);
        }
        Ok(Self(text.to_owned()))
    }

    /// The address as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What makes it unique.
    pub fn uniqueness_key(&self) -> String {
        uniqueness_key(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_address_share_a_key() {
        assert_eq!(
            Email::parse("Ada@Example.COM").unwrap().uniqueness_key(),
            Email::parse("ada@example.com").unwrap().uniqueness_key()
        );
    }

    #[test]
    fn refuses_what_cannot_receive_mail() {
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
