//! Email addresses: valid by RFC 5321, and unique without regard to case and to the spelling of an
//! internationalized domain.

use email_address::{EmailAddress, Options};
use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};

use super::fold::{NameKeys, fold, key_of_version_0_1};

/// Maximum length of an address: RFC 5321 section 4.5.3.1.3, without the angle brackets.
const MAX_BYTES: usize = 254;

const NOT_AN_ADDRESS: &str = "Enter a valid email address.";

/// An address that can receive mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// Parses an address of a new user: its domain must be one that the DNS can have.
    ///
    /// # Errors
    /// The messages for the client.
    pub fn parse_new(text: &str) -> Result<Self, Vec<String>> {
        let email = Self::parse(text)?;
        let is_domain =
            email.0.rsplit_once('@').is_some_and(|(_, domain)| a_label(domain).is_some());
        if is_domain { Ok(email) } else { Err(vec![NOT_AN_ADDRESS.into()]) }
    }

    /// Parses an address that a user logs in with. It may be older than the rules for new
    /// addresses.
    ///
    /// # Errors
    /// The messages for the client.
    pub fn parse(text: &str) -> Result<Self, Vec<String>> {
        if text.is_empty() {
            return Err(vec!["This field may not be blank.".into()]);
        }
        if !is_valid(text) {
            return Err(vec![NOT_AN_ADDRESS.into()]);
        }
        Ok(Self(text.to_owned()))
    }

    /// Returns the address in the user's spelling.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the texts that all spellings of this address share.
    pub fn keys(&self) -> NameKeys {
        NameKeys { key: key_of_version_0_1(&self.0), folded: folded(&self.0) }
    }
}

/// Returns the folded local part and the A-label of the domain. A domain that has none is folded.
fn folded(address: &str) -> String {
    let Some((local, domain)) = address.rsplit_once('@') else { return fold(address) };
    let domain = a_label(domain).unwrap_or_else(|| fold(domain));
    format!("{}@{domain}", fold(&without_quotes(local)))
}

/// Returns the domain in the form of the DNS (IDNA 2008 by UTS 46, nontransitional), in lower case.
/// `None` if the DNS cannot have the domain.
fn a_label(domain: &str) -> Option<String> {
    let domain = domain.as_bytes();
    let ascii =
        Uts46::new().to_ascii(domain, AsciiDenyList::STD3, Hyphens::Allow, DnsLength::Verify);
    ascii.ok().map(|ascii| ascii.into_owned())
}

/// Returns the local part that a quoted string stands for: `"ada"@…` is the mailbox of `ada@…` (RFC
/// 5321 section 4.1.2).
fn without_quotes(local: &str) -> String {
    let quoted = local.strip_prefix('"').and_then(|local| local.strip_suffix('"'));
    let Some(quoted) = quoted else { return local.to_owned() };
    let mut text = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        text.push(if c == '\\' { chars.next().unwrap_or(c) } else { c });
    }
    text
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
        let folded = |text| Email::parse(text).unwrap().keys().folded;
        for (one, other) in [
            ("Ada@Example.COM", "ada@example.com"),
            ("ada@exämple.de", "ada@xn--exmple-cua.de"),
            ("ada@EXÄMPLE.de", "ada@XN--EXMPLE-CUA.de"),
            ("straße@example.com", "STRAẞE@example.com"),
            ("\"ada\"@example.com", "ada@example.com"),
            ("\"a\\da\"@example.com", "ada@example.com"),
        ] {
            assert_eq!(folded(one), folded(other), "{one} {other}");
        }
        // UTS 46 nontransitional: the domains belong to different owners.
        assert_ne!(folded("ada@straße.de"), folded("ada@strasse.de"));
    }

    #[test]
    fn new_address_needs_a_domain_that_the_dns_can_have() {
        for bad in ["ada@xn--a.de", "ada@xn--zzzzzzz99.de", "ada@a\u{378}b.de"] {
            assert!(Email::parse_new(bad).is_err(), "{bad}");
            if let Ok(email) = Email::parse(bad) {
                assert!(email.keys().folded.starts_with("ada@"));
            }
        }
        for good in ["ada@example.com", "ada@exämple.de", "ada@xn--exmple-cua.de"] {
            assert!(Email::parse_new(good).is_ok(), "{good}");
        }
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
