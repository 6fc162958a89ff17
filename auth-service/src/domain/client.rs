//! Ids and secrets of OAuth clients.

use std::fmt;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

const MAX_ID_BYTES: usize = 100;

/// The client id in the tokens of a user, whichever program the user logged in with. No registered
/// client may have this id.
pub const FIRST_PARTY: &str = "first-party";

/// The id of a client. It is the subject of the client's own tokens, so it never has the form of a
/// user's id (RFC 9068 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientId(String);

impl ClientId {
    /// Parses an id: 1 to 100 ASCII letters, digits and `._-`, which need no escaping in a URL or a
    /// form.
    ///
    /// # Errors
    /// The rule that `text` breaks.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if text.is_empty() || text.len() > MAX_ID_BYTES || !text.bytes().all(is_allowed) {
            return Err("must be 1 to 100 letters, digits and ._-".into());
        }
        if Uuid::try_parse(text).is_ok() {
            return Err("must not be a UUID: users have UUIDs as ids".into());
        }
        if text == FIRST_PARTY {
            return Err("must not be first-party: it is the client id in tokens of users".into());
        }
        Ok(Self(text.into()))
    }

    /// Wraps an id from the database.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Parses an audience of a client's tokens. Blanks around it are removed. It has none within, because
/// the database separates several audiences with them.
///
/// # Errors
/// The rule that `text` breaks.
pub fn parse_audience(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("must not be empty".into()),
        name if name.contains(char::is_whitespace) => Err("must not contain spaces".into()),
        name => Ok(name.into()),
    }
}

/// The secret of a client. `Debug` prints no content.
pub struct ClientSecret(String);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(redacted)")
    }
}

impl ClientSecret {
    /// Generates a secret of 256 random bits.
    pub fn generate() -> Self {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).expect("a working random source");
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Wraps a secret that a client sent.
    pub fn from_text(text: String) -> Self {
        Self(text)
    }

    /// Returns the secret itself, to show it to the operator who created it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the hash for the database.
    pub fn hash(&self) -> SecretHash {
        SecretHash(URL_SAFE_NO_PAD.encode(digest(&SHA256, self.0.as_bytes())))
    }
}

/// The SHA-256 of a client's secret. A slow hash would add nothing, because 256 random bits cannot
/// be guessed.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash(String);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(redacted)")
    }
}

impl SecretHash {
    /// Wraps a hash from the database.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns `true` if this is the hash of `secret`. The comparison takes constant time.
    pub fn matches(&self, secret: &ClientSecret) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), secret.hash().0.as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn id_is_plain_text_and_never_a_user_id() {
        for good in ["a", "reports-api", "Billing.2_x", &"x".repeat(100)] {
            assert!(ClientId::parse(good).is_ok(), "{good}");
        }
        let uuid = Uuid::now_v7();
        for bad in [
            FIRST_PARTY,
            "",
            "a b",
            "a:b",
            "ä",
            "a/b",
            &"x".repeat(101),
            &uuid.to_string(),
            &uuid.simple().to_string(),
        ] {
            assert!(ClientId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hash_matches_only_its_secret_and_reveals_nothing() {
        let secret = ClientSecret::generate();
        let other = ClientSecret::generate();
        assert_eq!(secret.reveal().len(), 43);
        assert!(secret.hash().matches(&secret));
        assert!(!secret.hash().matches(&other));
        assert!(!format!("{secret:?} {:?}", secret.hash()).contains(secret.reveal()));
        assert!(!secret.hash().as_str().contains(secret.reveal()));
    }
}
