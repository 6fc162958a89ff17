//! Password hashes: created in Django's `bcrypt_sha256$` form, and verified in Django's older forms
//! too.
//!
//! `bcrypt_sha256$` is bcrypt of the hexadecimal SHA-256 of a password. So a password may have any
//! length and contain NUL bytes, and every byte counts: bcrypt alone ignores bytes after the 72nd.

use std::{fmt, num::NonZeroU32, ops::Range};

use aws_lc_rs::{constant_time, digest, pbkdf2, rand};
use base64::{Engine, engine::general_purpose::STANDARD};
use bcrypt::{BASE_64, HashParts};
use bcrypt_lanes::{Digest, Input};

use super::HashJob;
use crate::domain::password::Password;

const BCRYPT_SHA256: &str = "bcrypt_sha256$";
const BCRYPT: &str = "bcrypt$";
const PBKDF2_SHA256: &str = "pbkdf2_sha256$";

/// A password hash as the database stores it. `Debug` prints no content.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Returns a job that hashes `password` with a random salt and the given bcrypt cost.
    pub fn hash(password: &Password, cost: u32) -> HashJob<Self> {
        let mut salt = [0; 16];
        rand::fill(&mut salt).expect("a working random source");
        let input = Input::new(hex_sha256(password).as_bytes(), salt, cost).expect("a valid cost");
        let finish = move |digest: Digest| {
            let salt = BASE_64.encode(salt);
            let digest = BASE_64.encode(digest);
            HashJob::Done(Self(format!("{BCRYPT_SHA256}$2b${cost:02}${salt}{digest}")))
        };
        HashJob::Bcrypt(input, Box::new(finish))
    }

    /// Wraps a hash from the database. Text that is not a hash is allowed, and matches no password.
    pub fn from_stored(text: String) -> Self {
        Self(text)
    }

    /// Returns the text for the database.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns a job whose result is `true` if this is the hash of `password`.
    pub fn verify(&self, password: &Password) -> HashJob<bool> {
        if let Some(hash) = self.0.strip_prefix(PBKDF2_SHA256) {
            let password = password.clone();
            let hash = hash.to_owned();
            let check = move || verify_pbkdf2(&password, &hash).unwrap_or(false);
            return HashJob::Other(Box::new(move |()| HashJob::Done(check())));
        }
        let job = match self.0.strip_prefix(BCRYPT_SHA256) {
            Some(hash) => verify_bcrypt(hex_sha256(password).as_bytes(), hash),
            None => verify_bcrypt(password.as_bytes(), self.without_bcrypt_prefix()),
        };
        job.unwrap_or(HashJob::Done(false))
    }

    /// As [`PasswordHash::verify`], but for a wrong password the job takes at least as long as a
    /// hash of `cost`. Otherwise the time would distinguish a user with an older, cheaper hash from
    /// a user that does not exist.
    pub fn verify_at_cost(&self, password: &Password, cost: u32) -> HashJob<bool> {
        // Two hashes of one cost take as long as one hash of the next cost: 2^10 + 2^10 + 2^11 =
        // 2^12. The time of a hash that is not bcrypt is unknown, so a whole hash is added to it.
        let remaining = self.bcrypt_cost().map_or(cost..cost + 1, |spent| spent..cost);
        let password_copy = password.clone();
        self.verify(password).then(move |matches| {
            if matches {
                return HashJob::Done(true);
            }
            burn_remaining_cost(password_copy, remaining)
        })
    }

    /// Returns a hash of this cost that matches no known password. Its salt and digest are
    /// constants, because a computed hash would delay each start.
    pub fn dummy_hash(cost: u32) -> Self {
        const SALT_AND_DIGEST: &str = "abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01232";
        Self(format!("{BCRYPT_SHA256}$2b${cost:02}${SALT_AND_DIGEST}"))
    }

    /// Returns `true` if the hash has the current form and this cost. A login replaces any other
    /// hash.
    pub fn is_current(&self, cost: u32) -> bool {
        self.0.starts_with(BCRYPT_SHA256) && self.bcrypt_cost() == Some(cost)
    }

    fn bcrypt_cost(&self) -> Option<u32> {
        let bcrypt_sha256 = self.0.strip_prefix(BCRYPT_SHA256);
        let hash = bcrypt_sha256.unwrap_or_else(|| self.without_bcrypt_prefix());
        hash.parse::<HashParts>().ok().map(|parts| parts.get_cost())
    }

    fn without_bcrypt_prefix(&self) -> &str {
        self.0.strip_prefix(BCRYPT).unwrap_or(&self.0)
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

/// Returns a job that computes one hash of each cost, and whose result is `false`.
fn burn_remaining_cost(password: Password, mut costs: Range<u32>) -> HashJob<bool> {
    let Some(cost) = costs.next() else { return HashJob::Done(false) };
    let job = PasswordHash::dummy_hash(cost).verify(&password);
    job.then(|_| burn_remaining_cost(password, costs))
}

/// Verifies `$2b$cost$`, 22 characters of salt and 31 of digest. The versions `2a`, `2x` and `2y`
/// are treated as `2b`. `None` if `hash` is malformed.
fn verify_bcrypt(password: &[u8], hash: &str) -> Option<HashJob<bool>> {
    let parts: HashParts = hash.parse().ok()?;
    let stored: Digest = BASE_64.decode(&hash[29..]).ok()?.try_into().ok()?;
    let input = Input::new(password, parts.get_salt_raw(), parts.get_cost())?;
    let finish = move |digest: Digest| {
        let is_equal = constant_time::verify_slices_are_equal(&digest, &stored).is_ok();
        HashJob::Done(is_equal)
    };
    Some(HashJob::Bcrypt(input, Box::new(finish)))
}

/// Verifies Django's `iterations$salt$hash`. `None` if `hash` is malformed.
fn verify_pbkdf2(password: &Password, hash: &str) -> Option<bool> {
    let mut parts = hash.split('$');
    let iterations: NonZeroU32 = parts.next()?.parse().ok()?;
    let salt = parts.next()?.as_bytes();
    let derived = STANDARD.decode(parts.next()?).ok()?;
    let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
    let verified = pbkdf2::verify(algorithm, iterations, salt, password.as_bytes(), &derived);
    Some(verified.is_ok())
}

#[cfg(test)]
mod tests {
    use bcrypt_lanes::Lanes;

    use super::*;

    fn password(text: &str) -> Password {
        Password::parse(text.into()).unwrap()
    }

    /// Runs a job in this thread. Returns its result and the number of bcrypt rounds that it took.
    fn run<T>(mut job: HashJob<T>) -> (T, u32) {
        let mut rounds = 0;
        loop {
            job = match job {
                HashJob::Done(value) => return (value, rounds),
                HashJob::Bcrypt(input, finish) => {
                    let mut lanes = Lanes::default();
                    lanes.push(input, ());
                    finish(loop {
                        rounds += 1;
                        if let Some(((), digest)) = lanes.advance(1).pop() {
                            break digest;
                        }
                    })
                }
                HashJob::Other(compute) => compute(()),
            }
        }
    }

    fn hash_of(text: &str, cost: u32) -> PasswordHash {
        run(PasswordHash::hash(&password(text), cost)).0
    }

    fn verifies(hash: &PasswordHash, text: &str) -> bool {
        run(hash.verify(&password(text))).0
    }

    /// Hashes of "lètmein" by Django 5.2.
    const DJANGO: [&str; 4] = [
        "pbkdf2_sha256$1000000$seasalt$r1uLUxoxpP2Ued/qxvmje7UH9PUJBkRrvf9gGPL7Cps=",
        "bcrypt_sha256$$2b$06$U8Yhqbk9w9KhXf9wdXhJQOqK/gHTuktleCZVImW/Mu5EK2BRTeXTi",
        "bcrypt$$2b$06$5ZaZ6W7NLriwPUGn1evAgu32chNE5t5gAukrHq2htz8KRETv.dwWu",
        "$2b$06$5ZaZ6W7NLriwPUGn1evAgu32chNE5t5gAukrHq2htz8KRETv.dwWu",
    ];

    #[test]
    fn django_hashes_verify_and_are_not_current() {
        for stored in DJANGO {
            let hash = PasswordHash::from_stored(stored.into());
            assert!(verifies(&hash, "lètmein"), "{stored}");
            assert!(!verifies(&hash, "letmein"), "{stored}");
            assert!(!hash.is_current(12), "{stored}");
        }
    }

    #[test]
    fn crate_bcrypt_verifies_our_hashes() {
        let hash = hash_of("correct horse", 4);
        let bcrypt_form = hash.as_str().strip_prefix(BCRYPT_SHA256).unwrap();
        let verifies = |text: &str| bcrypt::verify(hex_sha256(&password(text)), bcrypt_form);
        assert!(verifies("correct horse").unwrap());
        assert!(!verifies("correct house").unwrap());
    }

    #[test]
    fn hashes_of_crate_bcrypt_verify() {
        let of_digest = bcrypt::hash(hex_sha256(&password("correct horse")), 4).unwrap();
        let of_text = bcrypt::hash("correct horse", 4).unwrap();
        let of_digest = format!("{BCRYPT_SHA256}{of_digest}");
        for stored in [of_digest, format!("{BCRYPT}{of_text}"), of_text] {
            let hash = PasswordHash::from_stored(stored.clone());
            assert!(verifies(&hash, "correct horse"), "{stored}");
            assert!(!verifies(&hash, "correct house"), "{stored}");
        }
    }

    #[test]
    fn every_byte_of_a_password_counts() {
        let long = "x".repeat(100);
        let hash = hash_of(&long, 4);
        assert!(verifies(&hash, &long));
        assert!(!verifies(&hash, &"x".repeat(99)));
        let with_nul = hash_of("before\0after", 4);
        assert!(verifies(&with_nul, "before\0after"));
        assert!(!verifies(&with_nul, "before\0other"));
        assert!(!verifies(&with_nul, "before"));
    }

    #[test]
    fn hash_is_current_only_in_the_current_form_and_cost() {
        let hash = hash_of("correct horse", 4);
        assert!(hash.as_str().starts_with("bcrypt_sha256$$2b$04$"));
        assert!(hash.is_current(4));
        assert!(!hash.is_current(5));
    }

    #[test]
    fn dummy_hash_is_well_formed_and_matches_no_password() {
        // A malformed hash would be refused without any computation.
        for cost in [4, 10, 15] {
            assert!(PasswordHash::dummy_hash(cost).is_current(cost));
        }
        assert!(!verifies(&PasswordHash::dummy_hash(4), "correct horse"));
    }

    #[test]
    fn wrong_password_costs_the_same_for_every_stored_hash() {
        let wrong = password("wrong");
        let right = password("correct horse");
        let current = hash_of("correct horse", 8);
        let cheaper = hash_of("correct horse", 5);
        let malformed = PasswordHash::from_stored("!".into());
        for hash in [PasswordHash::dummy_hash(8), current, cheaper.clone(), malformed] {
            assert_eq!(run(hash.verify_at_cost(&wrong, 8)), (false, 1 << 8));
        }
        assert_eq!(run(cheaper.verify_at_cost(&right, 8)), (true, 1 << 5));
    }

    #[test]
    fn text_that_is_not_a_hash_matches_no_password() {
        for stored in [
            "",
            "!",
            "correct horse",
            "md5$a$b",
            "bcrypt_sha256$",
            "pbkdf2_sha256$0$a$b",
            "$2b$99$short",
            "bcrypt$$2b$04$short",
        ] {
            let hash = PasswordHash::from_stored(stored.into());
            assert!(!verifies(&hash, "correct horse"), "{stored}");
        }
    }
}
