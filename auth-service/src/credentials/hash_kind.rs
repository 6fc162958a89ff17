//! The kinds of password hashes, which the start of a stored hash states.

use std::{num::NonZeroU32, ops::RangeInclusive};

use super::{argon2_hash::Argon2Cost, pbkdf2_hash, scrypt_hash::ScryptCost};

pub const BCRYPT_SHA256: &str = "bcrypt_sha256$";
pub const BCRYPT: &str = "bcrypt$";
/// Costs that bcrypt has.
pub const BCRYPT_COSTS: RangeInclusive<u32> = 4..=31;

/// Maximum cost of a bcrypt hash that is imported: a second or two of work, as for the largest
/// BCRYPT_COST.
const MAX_IMPORTED_BCRYPT_COST: u32 = 15;
/// Maximum number of iterations of a PBKDF2 hash that is imported: about a second of work. Django 6
/// has 1,200,000.
const MAX_IMPORTED_ITERATIONS: u32 = 3_000_000;

/// What decides how much work a hash is: the algorithm and its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HashKind {
    /// bcrypt, of the password or of its SHA-256, with this cost.
    Bcrypt(u32),
    /// PBKDF2 with HMAC-SHA-256, with this number of iterations.
    Pbkdf2(NonZeroU32),
    /// PBKDF2 with HMAC-SHA-1, with this number of iterations.
    Pbkdf2Sha1(NonZeroU32),
    Argon2(Argon2Cost),
    Scrypt(ScryptCost),
}

impl HashKind {
    /// Parses a stored hash, or its start: `bcrypt_sha256$$2b$12$`, `bcrypt$$2b$12$`, `$2b$12$`,
    /// `pbkdf2_sha256$600000$`, `pbkdf2_sha1$600000$`, `$argon2id$v=19$m=102400,t=2,p=8$`,
    /// `$scrypt$ln=14,r=8,p=5$`, or Django's forms of the last two. Returns `None` for other text.
    pub fn parse(form: &str) -> Option<Self> {
        let number_before_dollar = |text: &str| text.split_once('$')?.0.parse().ok();
        let iterations = |text: &str| number_before_dollar(text).and_then(NonZeroU32::new);
        if let Some(rest) = form.strip_prefix(pbkdf2_hash::SHA256) {
            return iterations(rest).map(Self::Pbkdf2);
        }
        if let Some(rest) = form.strip_prefix(pbkdf2_hash::SHA1) {
            return iterations(rest).map(Self::Pbkdf2Sha1);
        }
        if let Some((cost, _)) = Argon2Cost::parse(form) {
            return Some(Self::Argon2(cost));
        }
        if let Some(cost) = ScryptCost::parse(form) {
            return Some(Self::Scrypt(cost));
        }
        let bcrypt = without_bcrypt_prefix(form).strip_prefix("$2")?;
        let (_version, rest) = bcrypt.split_once('$')?;
        let cost = number_before_dollar(rest)?;
        BCRYPT_COSTS.contains(&cost).then_some(Self::Bcrypt(cost))
    }

    /// Returns whether an imported hash of this kind costs so little that logins may verify it.
    pub fn is_affordable(self) -> bool {
        match self {
            Self::Bcrypt(cost) => cost <= MAX_IMPORTED_BCRYPT_COST,
            Self::Pbkdf2(iterations) | Self::Pbkdf2Sha1(iterations) => {
                iterations.get() <= MAX_IMPORTED_ITERATIONS
            }
            // Other costs are not parsed.
            Self::Argon2(_) | Self::Scrypt(_) => true,
        }
    }
}

/// Returns a stored bcrypt hash without the prefix of its form.
pub fn without_bcrypt_prefix(form: &str) -> &str {
    [BCRYPT_SHA256, BCRYPT].iter().find_map(|prefix| form.strip_prefix(prefix)).unwrap_or(form)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imported_hash_has_a_maximum_cost() {
        let is_affordable = |form: &str| HashKind::parse(form).unwrap().is_affordable();
        for form in ["$2b$15$", "pbkdf2_sha256$3000000$", "pbkdf2_sha1$3000000$"] {
            assert!(is_affordable(form), "{form}");
        }
        for form in ["$2b$16$", "pbkdf2_sha256$10000000$", "pbkdf2_sha1$3000001$"] {
            assert!(!is_affordable(form), "{form}");
        }
    }

    #[test]
    fn kind_of_each_stored_form_is_known() {
        let bcrypt = Some(HashKind::Bcrypt(6));
        for form in ["bcrypt_sha256$$2b$06$U8Yhq", "bcrypt$$2y$06$5ZaZ", "$2a$06$", "$2b$06$5ZaZ"] {
            assert_eq!(HashKind::parse(form), bcrypt, "{form}");
        }
        let pbkdf2 = NonZeroU32::new(1_000_000).map(HashKind::Pbkdf2);
        assert_eq!(HashKind::parse("pbkdf2_sha256$1000000$seasalt"), pbkdf2);
        let sha1 = NonZeroU32::new(260_000).map(HashKind::Pbkdf2Sha1);
        assert_eq!(HashKind::parse("pbkdf2_sha1$260000$seasalt"), sha1);
        let argon2 = HashKind::parse("$argon2id$v=19$m=102400,t=2,p=8$").unwrap();
        assert_eq!(HashKind::parse("argon2$argon2id$v=19$m=102400,t=2,p=8$salt$x"), Some(argon2));
        assert_ne!(HashKind::parse("$argon2id$v=19$m=102400,t=3,p=8$"), Some(argon2));
        let scrypt = HashKind::parse("$scrypt$ln=14,r=8,p=5$").unwrap();
        assert_eq!(HashKind::parse("scrypt$16384$seasalt$8$5$x"), Some(scrypt));
        for form in ["", "!", "$2b$99$", "$2b$", "pbkdf2_sha256$0$", "pbkdf2_sha256$", "md5$1$"] {
            assert_eq!(HashKind::parse(form), None, "{form}");
        }
    }
}
