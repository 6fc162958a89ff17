//! PBKDF2 hashes of Django (RFC 8018): `pbkdf2_sha256$iterations$salt$digest`, or `pbkdf2_sha1`.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::hash_job::{HashJob, PBKDF2};
use crate::domain::password::Password;

pub const SHA256: &str = "pbkdf2_sha256$";
pub const SHA1: &str = "pbkdf2_sha1$";

/// Length of the digests of SHA-256 in bytes.
const SHA256_BYTES: usize = 32;
/// Length of the digests of SHA-1 in bytes.
const SHA1_BYTES: usize = 20;

/// A parsed hash.
struct Parsed<'a> {
    algorithm: pbkdf2::Algorithm,
    iterations: NonZeroU32,
    salt: &'a str,
    derived: Vec<u8>,
}

fn parse(hash: &str) -> Option<Parsed<'_>> {
    let (algorithm, digest_bytes, rest) = match (hash.strip_prefix(SHA256), hash.strip_prefix(SHA1))
    {
        (Some(rest), _) => (pbkdf2::PBKDF2_HMAC_SHA256, SHA256_BYTES, rest),
        (None, Some(rest)) => (pbkdf2::PBKDF2_HMAC_SHA1, SHA1_BYTES, rest),
        (None, None) => return None,
    };
    let mut parts = rest.split('$');
    let iterations = parts.next()?.parse().ok()?;
    let salt = parts.next()?;
    let derived = STANDARD.decode(parts.next()?).ok()?;
    // Wrong passwords match a shorter digest too easily, and a longer one takes more time.
    let has_length = derived.len() == digest_bytes;
    has_length.then_some(Parsed { algorithm, iterations, salt, derived })
}

/// Returns whether the text is a hash that can be verified.
pub fn is_well_formed(hash: &str) -> bool {
    parse(hash).is_some()
}

/// Returns a job that verifies a hash. `None` if it is malformed.
pub fn verify(password: &Password, hash: &str) -> Option<HashJob<bool>> {
    let Parsed { algorithm, iterations, salt, derived } = parse(hash)?;
    let password = password.clone();
    let salt = salt.as_bytes().to_vec();
    let verify = move || {
        let verified = pbkdf2::verify(algorithm, iterations, &salt, password.as_bytes(), &derived);
        HashJob::Done(verified.is_ok())
    };
    Some(HashJob::Other(PBKDF2, Box::new(verify)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digest_of_another_length_is_refused() {
        let is_usable = |start: &str, length: usize| {
            is_well_formed(&format!("{start}1$salt${}", STANDARD.encode(vec![0_u8; length])))
        };
        for (start, length) in [
            (SHA256, 0),
            (SHA256, 1),
            (SHA256, 31),
            (SHA256, 33),
            (SHA1, 19),
            (SHA1, 21),
            (SHA1, 32),
        ] {
            assert!(!is_usable(start, length), "{start} {length}");
        }
        assert!(is_usable(SHA256, 32) && is_usable(SHA1, 20));
    }
}
