//! Password hashes: made in Django's `bcrypt_sha256$` form, read in Django's older forms too.
//!
//! `bcrypt_sha256$` is bcrypt of the hexadecimal SHA-256: any length, nothing cut off at 72 bytes, no harm in a NUL.

use std::{fmt, num::NonZeroU32};

use aws_lc_rs::{digest, pbkdf2};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::password::Password;

const BCRYPT_SHA256: &str = "bcrypt_sha256$";

/// A stored hash. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes `password`. Takes as long as `cost` says: call it in the hash pool.
    pub fn make(password: &Password, cost: u32) -> Self {
        let hash =
            bcrypt::hash(hex_sha256(password), cost).expect("a valid cost and a working random source");
        Self(format!("{BCRYPT_SHA256}{hash}"))
    }

    /// A hash as the database holds it. Anything can be held; what is not a hash matches nothing.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// What the database holds.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `password`'s. Takes as long as its cost says: call it in the hash pool.
    pub fn matches(&self, password: &Password) -> bool {
        if let Some(hash) = self.0.strip_prefix(BCRYPT_SHA256) {
            bcrypt::verify(hex_sha256(password), hash).unwrap_or(false)
        } else if let Some(hash) = self.0.strip_prefix("pbkdf2_sha256$") {
            matches_pbkdf2(password, hash).unwrap_or(false)
        } else {
            let hash = self.0.strip_prefix("bcrypt$").unwrap_or(&self.0);
            bcrypt::verify(password.as_bytes(), hash).unwrap_or(false)
        }
    }

    /// Whether it is in the current form and of this cost. What is not is replaced at the next login.
    pub fn is_current(&self, cost: u32) -> bool {
        self.0
            .strip_prefix(BCRYPT_SHA256)
            .and_then(|hash| hash.parse::<bcrypt::HashParts>().ok())
            .is_some_and(|parts| parts.get_cost() == cost)
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

fn hex_sha256(password: &Password) -> String {
    let sha256 = digest::digest(&digest::SHA256, password.as_bytes());
    sha256.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Django's `iterations$salt$hash`.
fn matches_pbkdf2(password: &Password, hash: &str) -> Option<bool> {
    let mut parts = hash.split('$');
    let iterations: NonZeroU32 = parts.next()?.parse().ok()?;
    let salt = parts.next()?;
    let derived = STANDARD.decode(parts.next()?).ok()?;
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    Some(pbkdf2::verify(algorithm, iterations, salt.as_bytes(), password.as_bytes(), &derived).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password(text: &str) -> Password {
        Password::presented(text.into()).unwrap()
    }

    /// Made of "lètmein" by Django 5.2's hashers.
    const DJANGO: [&str; 4] = [
        "pbkdf2_sha256$1000000$seasalt$r1uLUxoxpP2Ued/qxvmje7UH9PUJBkRrvf9gGPL7Cps=",
        "bcrypt_sha256$$2b$06$U8Yhqbk9w9KhXf9wdXhJQOqK/gHTuktleCZVImW/Mu5EK2BRTeXTi",
        "bcrypt$$2b$06$5ZaZ6W7NLriwPUGn1evAgu32chNE5t5gAukrHq2htz8KRETv.dwWu",
        "$2b$06$5ZaZ6W7NLriwPUGn1evAgu32chNE5t5gAukrHq2htz8KRETv.dwWu",
    ];

    #[test]
    fn accepts_hashes_made_by_django_and_wants_them_replaced() {
        for stored in DJANGO {
            let hash = PasswordHash::stored(stored.into());
            assert!(hash.matches(&password("lètmein")), "{stored}");
            assert!(!hash.matches(&password("letmein")), "{stored}");
            assert!(!hash.is_current(12), "{stored}");
        }
    }

    #[test]
    fn no_byte_of_a_long_password_and_no_nul_is_ignored() {
        let long = "x".repeat(100);
        let hash = PasswordHash::make(&password(&long), 4);
        assert!(hash.matches(&password(&long)));
        assert!(!hash.matches(&password(&"x".repeat(99))));
        let nul = PasswordHash::make(&password("before\0after"), 4);
        assert!(nul.matches(&password("before\0after")));
        assert!(!nul.matches(&password("before\0other")));
        assert!(!nul.matches(&password("before")));
    }

    #[test]
    fn is_current_only_in_its_own_form_and_cost() {
        let hash = PasswordHash::make(&password("correct horse"), 4);
        assert!(hash.as_str().starts_with("bcrypt_sha256$$2b$04$"));
        assert!(hash.is_current(4));
        assert!(!hash.is_current(5));
    }

    #[test]
    fn what_is_not_a_hash_matches_nothing() {
        for stored in
            ["", "!", "correct horse", "md5$a$b", "bcrypt_sha256$", "pbkdf2_sha256$0$a$b", "$2b$99$short"]
        {
            assert!(!PasswordHash::stored(stored.into()).matches(&password("correct horse")), "{stored}");
        }
    }
}
