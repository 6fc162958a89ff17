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

    /// Whether it is `password`'s, at the price of a hash of this `cost` and no less, if it is not: else the time would
    /// tell a user with an older hash from nobody.
    pub fn matches_at_cost(&self, password: &Password, cost: u32) -> bool {
        if self.matches(password) {
            return true;
        }
        // Two hashes of one cost take as long as one of the next: 2^10 + 2^10 + 2^11 = 2^12. How long another kind of
        // hash took is not known, so there it is a whole one on top.
        let missing = self.bcrypt_cost().map_or(cost..cost + 1, |spent| spent..cost);
        for cost in missing {
            Self::nobodys(cost).matches(password);
        }
        false
    }

    /// A hash of this cost that matches no password anybody has. Its salt and sum are made up rather than computed, for
    /// computing one takes longer than the whole start.
    pub fn nobodys(cost: u32) -> Self {
        Self(format!("{BCRYPT_SHA256}$2b${cost:02}$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01232"))
    }

    fn bcrypt_cost(&self) -> Option<u32> {
        let hash = self.0.strip_prefix(BCRYPT_SHA256).or(self.0.strip_prefix("bcrypt$")).unwrap_or(&self.0);
        hash.parse::<bcrypt::HashParts>().ok().map(|parts| parts.get_cost())
    }

    /// Whether it is in the current form and of this cost. What is not is replaced at the next login.
    pub fn is_current(&self, cost: u32) -> bool {
        self.0.starts_with(BCRYPT_SHA256) && self.bcrypt_cost() == Some(cost)
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
    fn nobodys_hash_is_one_that_is_computed_at_full_cost() {
        // A hash that cannot be read is refused without being computed.
        for cost in [4, 10, 15] {
            assert!(PasswordHash::nobodys(cost).is_current(cost));
        }
        assert!(!PasswordHash::nobodys(4).matches_at_cost(&password("correct horse"), 4));
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
