//! PBKDF2 hashes of Django (RFC 8018): `pbkdf2_sha256$iterations$salt$digest`, or `pbkdf2_sha1`.

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::hash_job::{HashJob, PBKDF2};
use crate::domain::password::Password;

pub const SHA256: &str = "pbkdf2_sha256$";
pub const SHA1: &str = "pbkdf2_sha1$";

/// A parsed hash.
struct Parsed<'a> {
    algorithm: pbkdf2::Algorithm,
    iterations: NonZeroU32,
    salt: &'a str,
    derived: Vec<u8>,
}

fn parse(hash: &str) -> Option<Parsed<'_>> {
    let (algorithm, rest) = match (hash.strip_prefix(SHA256), hash.strip_prefix(SHA1)) {
        (Some(rest), _) => (pbkdf2::PBKDF2_HMAC_SHA256, rest),
        (None, Some(rest)) => (pbkdf2::PBKDF2_HMAC_SHA1, rest),
        (None, None) => return None,
    };
    let mut parts = rest.split('$');
    let iterations = parts.next()?.parse().ok()?;
    let salt = parts.next()?;
    let derived = STANDARD.decode(parts.next()?).ok()?;
    (!derived.is_empty()).then_some(Parsed { algorithm, iterations, salt, derived })
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
