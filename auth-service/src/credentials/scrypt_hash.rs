//! scrypt hashes (RFC 7914) that other programs made: Django's form
//! `scrypt$N$salt$r$p$digest`, and PHC strings `$scrypt$ln=14,r=8,p=1$salt$digest`.

use aws_lc_rs::constant_time;
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use scrypt::Params;
use zeroize::Zeroizing;

use super::hash_job::{HashJob, SCRYPT};
use crate::domain::password::Password;

/// The start of Django's form.
pub const DJANGO: &str = "scrypt$";
/// The start of a PHC string.
pub const PHC: &str = "$scrypt$";

/// Maximum memory of one hash in bytes. Each thread of the hash pool computes one such hash at a
/// time. Django's default is 16 MiB.
const MAX_MEMORY: u64 = 128 << 20;
/// Maximum memory that one hash fills, over all `p`: about a second of work.
const MAX_FILLED: u64 = 256 << 20;
/// Maximum size of the blocks of all `p` in bytes, which PBKDF2 makes and which stay in memory. A
/// small N with a large `p` would otherwise cost much that [`MAX_FILLED`] does not count.
const MAX_BLOCKS: u64 = 1 << 20;
const MAX_P: u32 = 64;
/// Minimum length of the digest in bytes. Wrong passwords match a shorter one too easily.
const MIN_DIGEST: usize = 16;
/// Maximum length of the salt and of the digest in bytes.
const MAX_BYTES: usize = 128;

/// What decides how much work a hash is: the parameters of RFC 7914.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ScryptCost {
    /// Binary logarithm of N.
    log_n: u8,
    r: u32,
    p: u32,
}

/// A parsed hash.
struct Parsed {
    params: Params,
    salt: Vec<u8>,
    digest: Vec<u8>,
}

impl ScryptCost {
    /// Parses a hash, or a hash with an empty salt and digest. `None` for other text, and for a cost
    /// beyond the limits.
    pub fn parse(form: &str) -> Option<Self> {
        split(form).map(|(cost, ..)| cost)
    }

    /// Returns the start of the PHC strings of this cost.
    pub fn form(self) -> String {
        let Self { log_n, r, p } = self;
        format!("{PHC}ln={log_n},r={r},p={p}$")
    }

    /// Returns whether the cost is within the limits.
    fn is_affordable(self) -> bool {
        let Self { log_n, r, p } = self;
        let block = 128 * u64::from(r);
        let memory = 1_u64.checked_shl(log_n.into()).and_then(|n| n.checked_mul(block));
        let Some(memory) = memory.filter(|memory| (1..=MAX_MEMORY).contains(memory)) else {
            return false;
        };
        // RFC 7914 section 6.
        let is_valid = log_n > 0 && u64::from(log_n) < 16 * u64::from(r) && p > 0;
        // Without overflow: `memory` and `block` are at most `MAX_MEMORY`.
        is_valid
            && p <= MAX_P
            && block * u64::from(p) <= MAX_BLOCKS
            && memory * u64::from(p) <= MAX_FILLED
    }
}

/// Splits a hash of either form into cost, salt and digest, still encoded.
fn split(hash: &str) -> Option<(ScryptCost, &str, &str)> {
    let (cost, salt, digest) = if let Some(rest) = hash.strip_prefix(DJANGO) {
        let mut parts = rest.splitn(5, '$');
        let n: u64 = parts.next()?.parse().ok()?;
        let salt = parts.next()?;
        let r = parts.next()?.parse().ok()?;
        let p = parts.next()?.parse().ok()?;
        let log_n = u8::try_from(n.checked_ilog2()?).ok().filter(|_| n.is_power_of_two())?;
        (ScryptCost { log_n, r, p }, salt, parts.next()?)
    } else {
        let (parameters, rest) = hash.strip_prefix(PHC)?.split_once('$')?;
        let mut numbers = parameters.split(',');
        let mut number = |name: &str| numbers.next()?.strip_prefix(name)?.parse::<u32>().ok();
        let log_n = u8::try_from(number("ln=")?).ok()?;
        let cost = ScryptCost { log_n, r: number("r=")?, p: number("p=")? };
        if numbers.next().is_some() {
            return None;
        }
        let (salt, digest) = rest.split_once('$').unwrap_or((rest, ""));
        (cost, salt, digest)
    };
    cost.is_affordable().then_some((cost, salt, digest))
}

fn parse(hash: &str) -> Option<Parsed> {
    let (ScryptCost { log_n, r, p }, salt, digest) = split(hash)?;
    // Django's salt is the text itself.
    let (salt, digest) = if hash.starts_with(DJANGO) {
        (salt.as_bytes().to_vec(), STANDARD.decode(digest).ok()?)
    } else {
        (STANDARD_NO_PAD.decode(salt).ok()?, STANDARD_NO_PAD.decode(digest).ok()?)
    };
    if salt.len() > MAX_BYTES || !(MIN_DIGEST..=MAX_BYTES).contains(&digest.len()) {
        return None;
    }
    Some(Parsed { params: Params::new(log_n, r, p).ok()?, salt, digest })
}

/// Returns whether the text is a hash that can be verified.
pub fn is_well_formed(hash: &str) -> bool {
    parse(hash).is_some()
}

/// Returns a job that verifies a hash. `None` if it is malformed or too expensive.
pub fn verify(password: &Password, hash: &str) -> Option<HashJob<bool>> {
    let Parsed { params, salt, digest } = parse(hash)?;
    let password = password.clone();
    let verify = move || {
        let mut computed = Zeroizing::new(vec![0; digest.len()]);
        let outcome = scrypt::scrypt(password.as_bytes(), &salt, &params, &mut computed);
        let is_equal = constant_time::verify_slices_are_equal(&computed, &digest).is_ok();
        HashJob::Done(outcome.is_ok() && is_equal)
    };
    Some(HashJob::Other(SCRYPT, Box::new(verify)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_beyond_the_limits_is_refused() {
        for form in [
            "scrypt$2097152$$8$1$",
            "scrypt$16384$$8$17$",
            "scrypt$2$$1$65$",
            "scrypt$2$$1024$9$",
            "$scrypt$ln=1,r=1,p=4194304$",
            "scrypt$16383$$8$1$",
            "scrypt$0$$8$1$",
            "scrypt$1$$8$1$",
            "scrypt$16384$$0$1$",
            "scrypt$16384$$8$0$",
            "scrypt$65536$$1$1$",
            "scrypt$18446744073709551615$$4294967295$4294967295$",
            "$scrypt$ln=63,r=4294967295,p=4294967295$",
            "$scrypt$ln=64,r=1,p=1$",
            "$scrypt$ln=300,r=1,p=1$",
            "$scrypt$ln=14,r=8$",
            "$scrypt$ln=14,r=8,p=1,x=1$",
        ] {
            assert_eq!(ScryptCost::parse(form), None, "{form}");
        }
        for form in ["scrypt$16384$salt$8$5$digest", "$scrypt$ln=14,r=8,p=5$salt$digest"] {
            assert_eq!(ScryptCost::parse(form).unwrap().form(), "$scrypt$ln=14,r=8,p=5$");
        }
        for form in ["scrypt$16384$$8$16$", "scrypt$131072$$8$2$", "scrypt$2$$128$64$"] {
            assert!(ScryptCost::parse(form).is_some(), "{form}");
        }
    }

    #[test]
    fn short_digest_is_refused() {
        let is_well_formed = |digest: &[u8]| {
            let django = format!("scrypt$16$salt$8$1${}", STANDARD.encode(digest));
            let phc = format!("$scrypt$ln=4,r=8,p=1$c2FsdA${}", STANDARD_NO_PAD.encode(digest));
            [super::is_well_formed(&django), super::is_well_formed(&phc)]
        };
        assert_eq!(is_well_formed(&[0; 15]), [false; 2]);
        assert_eq!(is_well_formed(&[0; 16]), [true; 2]);
    }
}
