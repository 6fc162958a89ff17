//! Limits of the mails that one address gets within a day.

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::one_time_code::CodePurpose;

/// Maximum number of mails of one kind to an address within a day. A stranger could otherwise fill
/// the mailbox of another person.
pub const MAX_MAILS_PER_DAY: i64 = 10;
/// Milliseconds of a day.
pub const DAY_MS: i64 = 86_400_000;

/// Mails that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    /// Codes for a purpose that any caller can ask for.
    CodeForAnyone(CodePurpose),
    /// Codes that users ask for with an access token or a password. Counted apart, so that a
    /// stranger cannot use up the codes of the user.
    CodeForUser(CodePurpose),
    /// Codes that one user asks for, to any address.
    ChangeOfEmail,
    /// Mails about registrations of an address that a user has.
    AlreadyRegistered,
    /// Mails of this topic that state what happened to an account. Counted per topic, so that
    /// failed logins of a stranger do not use up the mails about a change of the password.
    Notice(&'static str),
}

impl MailKind {
    /// Returns the MAC with which the database counts mails of this kind to a folded address.
    pub fn mac(self, key: &[u8; 32], address: &str) -> String {
        let text = format!("mail {} {address}", self.name());
        URL_SAFE_NO_PAD.encode(sign(&Key::new(HMAC_SHA256, key), text.as_bytes()))
    }

    fn name(self) -> String {
        match self {
            Self::CodeForAnyone(purpose) => format!("{} for anyone", purpose.name()),
            Self::CodeForUser(purpose) => format!("{} for user", purpose.name()),
            Self::ChangeOfEmail => "change_email of user".to_owned(),
            Self::AlreadyRegistered => "already_registered".to_owned(),
            Self::Notice(topic) => format!("notice {topic}"),
        }
    }
}

/// A counter of mails: the MACs of its kind and address, one for each secret in use, the newest
/// first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailCounter(pub Vec<String>);
