//! Password hashes: made in Django's `bcrypt_sha256$` form, read in Django's older forms too.
//!
//! `bcrypt_sha256$` is bcrypt of the hexadecimal SHA-256: any length, nothing cut off at 72 bytes, no harm in a NUL.

use std::{fmt, num::NonZeroU32, ops::Range};

use aws_lc_rs::{constant_time, digest, pbkdf2, rand};
use base64::{Engine, engine::general_purpose::STANDARD};
use bcrypt::{BASE_64, HashParts};
use bcrypt_lanes::{Input, Sum};

use super::hash_job::HashJob;
use crate::domain::password::Password;

const BCRYPT_SHA256: &str = "bcrypt_sha256$";

/// A stored hash. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Hashes `password`. As much work as `cost` says.
    pub fn make(password: &Password, cost: u32) -> HashJob<Self> {
        let mut salt = [0; 16];
        rand::fill(&mut salt).expect("a working random source");
        let input = Input::new(hex_sha256(password).as_bytes(), salt, cost).expect("a valid cost");
        HashJob::Bcrypt(
            input,
            Box::new(move |sum| {
                let (salt, sum) = (BASE_64.encode(salt), BASE_64.encode(sum));
                HashJob::Done(Self(format!("{BCRYPT_SHA256}$2b${cost:02}${salt}{sum}")))
            }),
        )
    }

    /// A hash as the database holds it. Anything can be held; what is not a hash matches nothing.
    pub fn stored(text: String) -> Self {
        Self(text)
    }

    /// What the database holds.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is `password`'s. As much work as its cost says.
    pub fn matches(&self, password: &Password) -> HashJob<bool> {
        if let Some(hash) = self.0.strip_prefix("pbkdf2_sha256$") {
            let (password, hash) = (password.clone(), hash.to_owned());
            let check = move || matches_pbkdf2(&password, &hash).unwrap_or(false);
            return HashJob::Other(Box::new(move |()| HashJob::Done(check())));
        }
        let work = match self.0.strip_prefix(BCRYPT_SHA256) {
            Some(hash) => matches_bcrypt(hex_sha256(password).as_bytes(), hash),
            None => matches_bcrypt(password.as_bytes(), self.0.strip_prefix("bcrypt$").unwrap_or(&self.0)),
        };
        work.unwrap_or(HashJob::Done(false))
    }

    /// Whether it is `password`'s, at the price of a hash of this `cost` and no less, if it is not: else the time would
    /// tell a user with an older hash from nobody.
    pub fn matches_at_cost(&self, password: &Password, cost: u32) -> HashJob<bool> {
        // Two hashes of one cost take as long as one of the next: 2^10 + 2^10 + 2^11 = 2^12. How long another kind of
        // hash took is not known, so there it is a whole one on top.
        let missing = self.bcrypt_cost().map_or(cost..cost + 1, |spent| spent..cost);
        let rest = password.clone();
        self.matches(password).then(move |matches| {
            if matches { HashJob::Done(true) } else { burn_remaining_cost(rest, missing) }
        })
    }

    /// A hash of this cost that matches no password anybody has. Its salt and sum are made up rather than computed, for
    /// computing one takes longer than the whole start.
    pub fn dummy_hash(cost: u32) -> Self {
        Self(format!("{BCRYPT_SHA256}$2b${cost:02}$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01232"))
    }

    fn bcrypt_cost(&self) -> Option<u32> {
        let hash = self.0.strip_prefix(BCRYPT_SHA256).or(self.0.strip_prefix("bcrypt$")).unwrap_or(&self.0);
        hash.parse::<HashParts>().ok().map(|parts| parts.get_cost())
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

/// One hash of each cost, which comes to nothing.
fn burn_remaining_cost(password: Password, mut costs: Range<u32>) -> HashJob<bool> {
    match costs.next() {
        None => HashJob::Done(false),
        Some(cost) => {
            PasswordHash::dummy_hash(cost).matches(&password).then(|_| burn_remaining_cost(password, costs))
        }
    }
}

/// `$2b$cost$`, 22 characters of salt and 31 of sum; `2a`, `2x` and `2y` are taken to mean the same.
fn matches_bcrypt(password: &[u8], hash: &str) -> Option<HashJob<bool>> {
    let parts: HashParts = hash.parse().ok()?;
    let stored: Sum = BASE_64.decode(&hash[29..]).ok()?.try_into().ok()?;
    let input = Input::new(password, parts.get_salt_raw(), parts.get_cost())?;
    let matches = move |sum: Sum| constant_time::verify_slices_are_equal(&sum, &stored).is_ok();
    Some(HashJob::Bcrypt(input, Box::new(move |sum| HashJob::Done(matches(sum)))))
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
    use bcrypt_lanes::Lanes;

    use super::*;

    fn password(text: &str) -> Password {
        Password::presented(text.into()).unwrap()
    }

    /// Does the work here and now. Says what it came to, and in how many rounds of bcrypt.
    fn done<T>(mut work: HashJob<T>) -> (T, u32) {
        let mut rounds = 0;
        loop {
            work = match work {
                HashJob::Done(value) => return (value, rounds),
                HashJob::Bcrypt(input, go_on) => {
                    let mut lanes = Lanes::default();
                    lanes.push(input, ());
                    go_on(loop {
                        rounds += 1;
                        if let Some(((), sum)) = lanes.advance(1).pop() {
                            break sum;
                        }
                    })
                }
                HashJob::Other(go_on) => go_on(()),
            }
        }
    }

    fn made(text: &str, cost: u32) -> PasswordHash {
        done(PasswordHash::make(&password(text), cost)).0
    }

    fn matches(hash: &PasswordHash, text: &str) -> bool {
        done(hash.matches(&password(text))).0
    }

    /// WriteOutcome of "lètmein" by Django 5.2's hashers.
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
            assert!(matches(&hash, "lètmein"), "{stored}");
            assert!(!matches(&hash, "letmein"), "{stored}");
            assert!(!hash.is_current(12), "{stored}");
        }
    }

    #[test]
    fn no_byte_of_a_long_password_and_no_nul_is_ignored() {
        let long = "x".repeat(100);
        let hash = made(&long, 4);
        assert!(matches(&hash, &long));
        assert!(!matches(&hash, &"x".repeat(99)));
        let nul = made("before\0after", 4);
        assert!(matches(&nul, "before\0after"));
        assert!(!matches(&nul, "before\0other"));
        assert!(!matches(&nul, "before"));
    }

    #[test]
    fn is_current_only_in_its_own_form_and_cost() {
        let hash = made("correct horse", 4);
        assert!(hash.as_str().starts_with("bcrypt_sha256$$2b$04$"));
        assert!(hash.is_current(4));
        assert!(!hash.is_current(5));
    }

    #[test]
    fn nobodys_hash_is_one_that_is_computed_at_full_cost() {
        // A hash that cannot be read is refused without being computed.
        for cost in [4, 10, 15] {
            assert!(PasswordHash::dummy_hash(cost).is_current(cost));
        }
        assert!(!matches(&PasswordHash::dummy_hash(4), "correct horse"));
    }

    #[test]
    fn a_wrong_password_is_as_much_work_whatever_the_user_has() {
        let unreadable = PasswordHash::stored("!".into());
        for hash in
            [PasswordHash::dummy_hash(8), made("correct horse", 8), made("correct horse", 5), unreadable]
        {
            let (matches, rounds) = done(hash.matches_at_cost(&password("wrong"), 8));
            assert_eq!((matches, rounds), (false, 1 << 8));
        }
        let (matches, rounds) = done(made("correct horse", 5).matches_at_cost(&password("correct horse"), 8));
        assert_eq!((matches, rounds), (true, 1 << 5));
    }

    #[test]
    fn what_is_not_a_hash_matches_nothing() {
        for stored in
            ["", "!", "correct horse", "md5$a$b", "bcrypt_sha256$", "pbkdf2_sha256$0$a$b", "$2b$99$short"]
        {
            assert!(!matches(&PasswordHash::stored(stored.into()), "correct horse"), "{stored}");
        }
    }
}
