//! Clients' ids and secrets.

use std::fmt;

use aws_lc_rs::{
    constant_time::verify_slices_are_equal,
    digest::{SHA256, digest},
    rand,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use uuid::Uuid;

const MAX_ID_BYTES: usize = 100;

/// What people's tokens name as the client that they were issued to: whatever they logged in with. Nobody's id.
pub const FIRST_PARTY: &str = "first-party";

/// What a client is called. It is the `sub` of its tokens, so it never looks like a user's id (RFC 9068 section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientId(String);

impl ClientId {
    /// Reads an id: 1 to 100 letters, digits and `._-`, which no encoding changes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if text.is_empty() || text.len() > MAX_ID_BYTES || !text.bytes().all(allowed) {
            return Err("must be 1 to 100 letters, digits and ._-".into());
        }
        if Uuid::try_parse(text).is_ok() {
            return Err("must not be a UUID, which is what users' ids are".into());
        }
        if text == FIRST_PARTY {
            return Err("must not be first-party, which is what people's tokens say".into());
        }
        Ok(Self(text.into()))
    }

    /// An id that was read before.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A secret as a client shows it. Never printed but to whoever makes it.
pub struct ClientSecret(String);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(redacted)")
    }
}

impl ClientSecret {
    /// A new secret: 256 random bits.
    pub fn generate() -> Self {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).expect("a working random source");
        Self(URL_SAFE_NO_PAD.encode(bytes))
    }

    /// A secret that somebody presents.
    pub fn from_text(text: String) -> Self {
        Self(text)
    }

    /// Its text, for its owner.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash(URL_SAFE_NO_PAD.encode(digest(&SHA256, self.0.as_bytes())))
    }
}

/// What is kept of a secret: its SHA-256. Nobody guesses 256 random bits, so nothing is gained by a slow hash.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash(String);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(redacted)")
    }
}

impl SecretHash {
    /// A hash from the database.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is this secret's. Takes the same time wherever they differ.
    pub fn matches(&self, secret: &ClientSecret) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), secret.hash().0.as_bytes()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_and_never_a_users() {
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
    fn a_hash_is_of_one_secret() {
        let (one, other) = (ClientSecret::generate(), ClientSecret::generate());
        assert_eq!(one.reveal().len(), 43);
        assert!(one.hash().matches(&one) && !one.hash().matches(&other));
        assert!(!format!("{one:?} {:?}", one.hash()).contains(one.reveal()));
        assert!(!one.hash().as_str().contains(one.reveal()));
    }
}
