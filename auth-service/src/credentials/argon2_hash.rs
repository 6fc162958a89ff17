//! Argon2 hashes (RFC 9106) that other programs made: PHC strings, and Django's form, which is
//! `argon2` before a PHC string.

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time;
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::hash_job::{ARGON2, HashJob};
use crate::domain::password::Password;

/// The start of a PHC string, with the prefix of Django or without.
pub const PREFIXES: [&str; 2] = ["argon2$argon2", "$argon2"];
/// Algorithm of Django's hashes.
const DJANGO: &str = "argon2";

/// Maximum memory of one hash. Each thread of the hash pool computes one such hash at a time.
/// Django's default is 100 MiB.
const MAX_MEMORY_KIB: u32 = 128 * 1024;
/// Maximum memory that one hash fills, over all passes: about a second of work.
const MAX_FILLED_KIB: u64 = 1024 * 1024;
const MAX_LANES: u32 = 64;
/// Minimum length of the digest in bytes. Wrong passwords match a shorter one too easily.
const MIN_DIGEST: usize = 16;
/// Maximum length of the salt and of the digest in bytes.
const MAX_BYTES: usize = 128;

/// What decides how much work a hash is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Argon2Cost {
    variant: Variant,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// The variants, which differ in the order in which they read memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Variant {
    D,
    I,
    Id,
}

impl Argon2Cost {
    /// Parses the start of a hash: `$argon2id$v=19$m=102400,t=2,p=8$`, with Django's prefix or
    /// without. Returns the rest too. `None` for other text, and for a cost beyond the limits.
    pub fn parse(form: &str) -> Option<(Self, &str)> {
        let phc = form.strip_prefix(DJANGO).unwrap_or(form).strip_prefix("$argon2")?;
        let mut parts = phc.splitn(4, '$');
        let variant = match parts.next()? {
            "d" => Variant::D,
            "i" => Variant::I,
            "id" => Variant::Id,
            _ => return None,
        };
        // Version 1.3. Hashes of version 1.0 have no such part.
        if parts.next()? != "v=19" {
            return None;
        }
        let mut numbers = parts.next()?.split(',');
        let mut number = |name: &str| numbers.next()?.strip_prefix(name)?.parse::<u32>().ok();
        let cost = Self {
            variant,
            memory_kib: number("m=")?,
            passes: number("t=")?,
            lanes: number("p=")?,
        };
        let is_complete = numbers.next().is_none();
        (is_complete && cost.is_valid() && cost.is_affordable()).then_some((cost, parts.next()?))
    }

    /// Returns the start of the hashes of this cost.
    pub fn form(self) -> String {
        let Self { variant, memory_kib, passes, lanes } = self;
        let variant = match variant {
            Variant::D => "d",
            Variant::I => "i",
            Variant::Id => "id",
        };
        format!("$argon2{variant}$v=19$m={memory_kib},t={passes},p={lanes}$")
    }

    /// RFC 9106 section 3.1.
    fn is_valid(self) -> bool {
        let Self { memory_kib, passes, lanes, .. } = self;
        passes > 0 && lanes > 0 && u64::from(memory_kib) >= 8 * u64::from(lanes)
    }

    fn is_affordable(self) -> bool {
        self.memory_kib <= MAX_MEMORY_KIB
            && u64::from(self.memory_kib) * u64::from(self.passes) <= MAX_FILLED_KIB
            && self.lanes <= MAX_LANES
    }
}

/// A parsed hash.
struct Parsed {
    argon2: Argon2<'static>,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

fn parse(hash: &str) -> Option<Parsed> {
    let (cost, rest) = Argon2Cost::parse(hash)?;
    let (salt, digest) = rest.split_once('$')?;
    let salt = STANDARD_NO_PAD.decode(salt).ok()?;
    let digest = STANDARD_NO_PAD.decode(digest).ok()?;
    // RFC 9106 section 3.1: salts of at least eight bytes.
    if !(8..=MAX_BYTES).contains(&salt.len()) || !(MIN_DIGEST..=MAX_BYTES).contains(&digest.len()) {
        return None;
    }
    let Argon2Cost { variant, memory_kib, passes, lanes } = cost;
    let params = Params::new(memory_kib, passes, lanes, Some(digest.len())).ok()?;
    let algorithm = match variant {
        Variant::D => Algorithm::Argon2d,
        Variant::I => Algorithm::Argon2i,
        Variant::Id => Algorithm::Argon2id,
    };
    Some(Parsed { argon2: Argon2::new(algorithm, Version::V0x13, params), salt, digest })
}

/// Returns whether the text is a hash that can be verified.
pub fn is_well_formed(hash: &str) -> bool {
    parse(hash).is_some()
}

/// Returns a job that verifies a hash. `None` if it is malformed or too expensive.
pub fn verify(password: &Password, hash: &str) -> Option<HashJob<bool>> {
    let Parsed { argon2, salt, digest } = parse(hash)?;
    let password = password.clone();
    let verify = move || {
        let mut computed = Zeroizing::new(vec![0; digest.len()]);
        let outcome = argon2.hash_password_into(password.as_bytes(), &salt, &mut computed);
        let is_equal = constant_time::verify_slices_are_equal(&computed, &digest).is_ok();
        HashJob::Done(outcome.is_ok() && is_equal)
    };
    Some(HashJob::Other(ARGON2, Box::new(verify)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_beyond_the_limits_is_refused() {
        for cost in ["m=131073,t=1,p=1", "m=131072,t=9,p=1", "m=8,t=1,p=65", "m=8,t=1,p=1,x=1"] {
            assert_eq!(Argon2Cost::parse(&format!("$argon2id$v=19${cost}$")), None, "{cost}");
        }
        for cost in ["m=8,t=0,p=1", "m=8,t=1,p=0", "m=8,t=1,p=2"] {
            assert_eq!(Argon2Cost::parse(&format!("$argon2id$v=19${cost}$")), None, "{cost}");
        }
        for form in ["$argon2id$m=8,t=1,p=1$", "$argon2x$v=19$m=8,t=1,p=1$", "$argon2id$v=19$m=8$"]
        {
            assert_eq!(Argon2Cost::parse(form), None, "{form}");
        }
        let (cost, rest) =
            Argon2Cost::parse("argon2$argon2id$v=19$m=102400,t=2,p=8$salt$x").unwrap();
        assert_eq!((cost.form().as_str(), rest), ("$argon2id$v=19$m=102400,t=2,p=8$", "salt$x"));
    }

    #[test]
    fn short_digest_is_refused() {
        let is_well_formed = |digest: &[u8]| {
            let digest = STANDARD_NO_PAD.encode(digest);
            super::is_well_formed(&format!("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ${digest}"))
        };
        assert!(!is_well_formed(&[0; 15]));
        assert!(is_well_formed(&[0; 16]));
    }
}
