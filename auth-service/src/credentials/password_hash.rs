//! Password hashes: created in Django's `bcrypt_sha256$` form, and verified in Django's other forms
//! too.
//!
//! `bcrypt_sha256$` is bcrypt of the hexadecimal SHA-256 of a password. So a password may have any
//! length and contain NUL bytes, and every byte counts: bcrypt alone ignores bytes after the 72nd.

use std::fmt::{self, Write};

use aws_lc_rs::{constant_time, digest, rand};
use base64::Engine;
use bcrypt::{BASE_64, HashParts};
use bcrypt_lanes::{Digest, Input};
use zeroize::Zeroizing;

use super::{
    argon2_hash,
    hash_job::HashJob,
    hash_kind::{BCRYPT_COSTS, BCRYPT_SHA256, HashKind, without_bcrypt_prefix},
    pbkdf2_hash, scrypt_hash,
};
use crate::domain::password::Password;

/// A password hash as the database stores it. `Debug` prints no content.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Returns a job that hashes the normalized form of `password` with a random salt and the given
    /// bcrypt cost.
    pub fn hash(password: &Password, cost: u32) -> HashJob<Self> {
        let mut salt = [0; 16];
        rand::fill(&mut salt).expect("a working random source");
        let sha256 = hex_sha256(&password.normalized());
        let input = Input::new(sha256.as_bytes(), salt, cost).expect("a valid cost");
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

    /// Returns the hash of a user without a password, which matches no password.
    pub fn unusable() -> Self {
        Self("!".into())
    }

    /// Returns a job whose result is `true` if this is the hash of these bytes of `password`.
    pub fn verify(&self, password: &Password) -> HashJob<bool> {
        let job = match self.algorithm() {
            Algorithm::Pbkdf2 => pbkdf2_hash::verify(password, &self.0),
            Algorithm::Argon2 => argon2_hash::verify(password, &self.0),
            Algorithm::Scrypt => scrypt_hash::verify(password, &self.0),
            Algorithm::Bcrypt => match self.0.strip_prefix(BCRYPT_SHA256) {
                Some(hash) => verify_bcrypt(hex_sha256(password).as_bytes(), hash),
                None => verify_bcrypt(password.as_bytes(), without_bcrypt_prefix(&self.0)),
            },
        };
        job.unwrap_or(HashJob::Done(false))
    }

    /// Returns a hash of this kind that matches no known password. Its salt and digest are
    /// constants, because a computed hash would delay each start.
    pub fn dummy(kind: HashKind) -> Self {
        const BCRYPT_SALT_AND_DIGEST: &str =
            "abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01232";
        const PBKDF2_SALT_AND_DIGEST: &str =
            "abcdefghijklmnopqrstuv$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        const PBKDF2_SHA1_SALT_AND_DIGEST: &str =
            "abcdefghijklmnopqrstuv$AAECAwQFBgcICQoLDA0ODxAREhM=";
        const PHC_SALT_AND_DIGEST: &str =
            "AAECAwQFBgcICQoLDA0ODw$AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
        Self(match kind {
            HashKind::Bcrypt(cost) => {
                format!("{BCRYPT_SHA256}$2b${cost:02}${BCRYPT_SALT_AND_DIGEST}")
            }
            HashKind::Pbkdf2(iterations) => {
                format!("{}{iterations}${PBKDF2_SALT_AND_DIGEST}", pbkdf2_hash::SHA256)
            }
            HashKind::Pbkdf2Sha1(iterations) => {
                format!("{}{iterations}${PBKDF2_SHA1_SALT_AND_DIGEST}", pbkdf2_hash::SHA1)
            }
            HashKind::Argon2(cost) => cost.form() + PHC_SALT_AND_DIGEST,
            HashKind::Scrypt(cost) => cost.form() + PHC_SALT_AND_DIGEST,
        })
    }

    /// Returns `true` if the text is a hash, which costs work to verify.
    pub fn is_well_formed(&self) -> bool {
        match self.algorithm() {
            Algorithm::Pbkdf2 => pbkdf2_hash::is_well_formed(&self.0),
            Algorithm::Argon2 => argon2_hash::is_well_formed(&self.0),
            Algorithm::Scrypt => scrypt_hash::is_well_formed(&self.0),
            Algorithm::Bcrypt => parse_bcrypt(without_bcrypt_prefix(&self.0)).is_some(),
        }
    }

    /// Returns the start of the text, which states the algorithm and the cost, without salt and
    /// digest. Empty for text that is no hash.
    pub fn form(&self) -> String {
        let parts: Vec<&str> = self.0.split('$').collect();
        let join = |numbers: &[usize]| -> String {
            numbers.iter().map(|n| format!("{}$", parts.get(*n).copied().unwrap_or(""))).collect()
        };
        let is_bcrypt = without_bcrypt_prefix(&self.0).starts_with("$2");
        match self.algorithm() {
            Algorithm::Pbkdf2 => join(&[0, 1]),
            Algorithm::Argon2 => join(&[0, 1, 2, 3]),
            // The third part is the salt.
            Algorithm::Scrypt if self.0.starts_with(scrypt_hash::DJANGO) => {
                format!("{}${}", join(&[0, 1]), join(&[3, 4]))
            }
            Algorithm::Scrypt => join(&[0, 1, 2]),
            Algorithm::Bcrypt if is_bcrypt => match self.0.starts_with('$') {
                true => join(&[0, 1, 2]),
                false => join(&[0, 1, 2, 3]),
            },
            Algorithm::Bcrypt => String::new(),
        }
    }

    /// Returns the algorithm that the start of the text states: bcrypt unless it states another.
    fn algorithm(&self) -> Algorithm {
        let is_one_of = |starts: [&str; 2]| starts.iter().any(|start| self.0.starts_with(start));
        if is_one_of([pbkdf2_hash::SHA256, pbkdf2_hash::SHA1]) {
            Algorithm::Pbkdf2
        } else if is_one_of(argon2_hash::PREFIXES) {
            Algorithm::Argon2
        } else if is_one_of([scrypt_hash::DJANGO, scrypt_hash::PHC]) {
            Algorithm::Scrypt
        } else {
            Algorithm::Bcrypt
        }
    }

    /// Returns `true` if the hash has the current form and this cost. A login replaces any other
    /// hash.
    pub fn is_current(&self, cost: u32) -> bool {
        self.0.starts_with(BCRYPT_SHA256) && self.bcrypt_cost() == Some(cost)
    }

    fn bcrypt_cost(&self) -> Option<u32> {
        parse_bcrypt(without_bcrypt_prefix(&self.0)).map(|(parts, _)| parts.get_cost())
    }
}

/// The algorithm of a hash.
#[derive(Clone, Copy, Debug)]
enum Algorithm {
    Bcrypt,
    Pbkdf2,
    Argon2,
    Scrypt,
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(redacted)")
    }
}

/// Returns the digest that is hashed in place of the password, and overwritten like it.
fn hex_sha256(password: &Password) -> Zeroizing<String> {
    let sha256 = digest::digest(&digest::SHA256, password.as_bytes());
    let mut hex = Zeroizing::new(String::with_capacity(2 * sha256.as_ref().len()));
    for byte in sha256.as_ref() {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Verifies `$2b$cost$`, 22 characters of salt and 31 of digest. The versions `2a`, `2x` and `2y`
/// are treated as `2b`. `None` if `hash` is malformed.
fn verify_bcrypt(password: &[u8], hash: &str) -> Option<HashJob<bool>> {
    let (parts, stored) = parse_bcrypt(hash)?;
    let input = Input::new(password, parts.get_salt_raw(), parts.get_cost())?;
    let finish = move |digest: Digest| {
        let is_equal = constant_time::verify_slices_are_equal(&digest, &stored).is_ok();
        HashJob::Done(is_equal)
    };
    Some(HashJob::Bcrypt(input, Box::new(finish)))
}

fn parse_bcrypt(hash: &str) -> Option<(HashParts, Digest)> {
    let parts: HashParts = hash.parse().ok()?;
    let digest = BASE_64.decode(hash.get(29..)?).ok()?.try_into().ok()?;
    BCRYPT_COSTS.contains(&parts.get_cost()).then_some((parts, digest))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use bcrypt_lanes::Lanes;

    use super::{super::hash_kind::BCRYPT, *};

    fn password(text: &str) -> Password {
        Password::parse(text.into()).unwrap()
    }

    /// Runs a job in this thread. Returns its result, the number of bcrypt rounds and the number of
    /// other hashes that it took.
    fn run<T>(mut job: HashJob<T>) -> (T, u32, u32) {
        let mut rounds = 0;
        let mut others = 0;
        loop {
            job = match job {
                HashJob::Done(value) => return (value, rounds, others),
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
                HashJob::Other(_, compute) => {
                    others += 1;
                    compute()
                }
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
    const DJANGO: [&str; 6] = [
        "pbkdf2_sha256$1000000$seasalt$r1uLUxoxpP2Ued/qxvmje7UH9PUJBkRrvf9gGPL7Cps=",
        "bcrypt_sha256$$2b$06$U8Yhqbk9w9KhXf9wdXhJQOqK/gHTuktleCZVImW/Mu5EK2BRTeXTi",
        "bcrypt$$2b$06$5ZaZ6W7NLriwPUGn1evAgu32chNE5t5gAukrHq2htz8KRETv.dwWu",
        "$2b$06$5ZaZ6W7NLriwPUGn1evAgu32chNE5t5gAukrHq2htz8KRETv.dwWu",
        "pbkdf2_sha1$1000000$seasalt$A053mdnAt0THnbEBJ7jpfP3yz1o=",
        "scrypt$16384$seasalt$8$5$ECMIUp+LMxMSK8xB/IVyba+KYGTI7FTnet025q/1f/vBAVnnP3hdYqJuRi+mJn6ji6ze3Fbb7JEFPKGpuEf5vw==",
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

    const PBKDF2_10: HashKind = HashKind::Pbkdf2(NonZeroU32::new(10).unwrap());

    #[test]
    fn dummy_hash_is_well_formed_and_matches_no_password() {
        // A malformed hash would be refused without any computation.
        let others = [
            "pbkdf2_sha1$10$",
            "$argon2id$v=19$m=64,t=1,p=2$",
            "$argon2i$v=19$m=64,t=1,p=2$",
            "$scrypt$ln=4,r=8,p=1$",
        ];
        let others = others.map(|form| HashKind::parse(form).unwrap());
        let kinds = [HashKind::Bcrypt(4), HashKind::Bcrypt(15), PBKDF2_10];
        for kind in kinds.into_iter().chain(others) {
            let dummy = PasswordHash::dummy(kind);
            assert!(dummy.is_well_formed());
            assert_eq!(HashKind::parse(dummy.as_str()), Some(kind));
        }
        assert!(!verifies(&PasswordHash::dummy(HashKind::Bcrypt(4)), "correct horse"));
        assert!(!verifies(&PasswordHash::dummy(PBKDF2_10), "correct horse"));
        for kind in others {
            assert_eq!(run(PasswordHash::dummy(kind).verify(&password("wrong"))), (false, 0, 1));
        }
    }

    #[test]
    fn dummy_hash_costs_the_work_of_its_kind() {
        let work = |hash: &PasswordHash| run(hash.verify(&password("wrong")));
        assert_eq!(work(&PasswordHash::dummy(HashKind::Bcrypt(8))), (false, 1 << 8, 0));
        assert_eq!(work(&hash_of("correct horse", 8)), (false, 1 << 8, 0));
        assert_eq!(work(&PasswordHash::dummy(PBKDF2_10)), (false, 0, 1));
        assert_eq!(work(&PasswordHash::from_stored(DJANGO[0].into())), (false, 0, 1));
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
            assert!(!hash.is_well_formed(), "{stored}");
        }
    }
}
