//! The kinds of password hashes, which the start of a stored hash states.

use std::{num::NonZeroU32, ops::RangeInclusive};

pub const BCRYPT_SHA256: &str = "bcrypt_sha256$";
pub const BCRYPT: &str = "bcrypt$";
pub const PBKDF2_SHA256: &str = "pbkdf2_sha256$";
/// Costs that bcrypt has.
pub const BCRYPT_COSTS: RangeInclusive<u32> = 4..=31;

/// What decides how much work a hash is: the algorithm and its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HashKind {
    /// bcrypt, of the password or of its SHA-256, with this cost.
    Bcrypt(u32),
    /// PBKDF2 with HMAC-SHA-256, with this number of iterations.
    Pbkdf2(NonZeroU32),
}

impl HashKind {
    /// Parses the start of a stored hash: `bcrypt_sha256$$2b$12$`, `bcrypt$$2b$12$`, `$2b$12$` or
    /// `pbkdf2_sha256$600000$`. Returns `None` for other text.
    pub fn parse(form: &str) -> Option<Self> {
        let number_before_dollar = |text: &str| text.split_once('$')?.0.parse().ok();
        if let Some(rest) = form.strip_prefix(PBKDF2_SHA256) {
            return number_before_dollar(rest).and_then(NonZeroU32::new).map(Self::Pbkdf2);
        }
        let bcrypt = without_bcrypt_prefix(form).strip_prefix("$2")?;
        let (_version, rest) = bcrypt.split_once('$')?;
        let cost = number_before_dollar(rest)?;
        BCRYPT_COSTS.contains(&cost).then_some(Self::Bcrypt(cost))
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
    fn kind_of_each_stored_form_is_known() {
        let bcrypt = Some(HashKind::Bcrypt(6));
        for form in ["bcrypt_sha256$$2b$06$U8Yhq", "bcrypt$$2y$06$5ZaZ", "$2a$06$", "$2b$06$5ZaZ"] {
            assert_eq!(HashKind::parse(form), bcrypt, "{form}");
        }
        let pbkdf2 = NonZeroU32::new(1_000_000).map(HashKind::Pbkdf2);
        assert_eq!(HashKind::parse("pbkdf2_sha256$1000000$seasalt"), pbkdf2);
        for form in ["", "!", "$2b$99$", "$2b$", "pbkdf2_sha256$0$", "pbkdf2_sha256$", "md5$1$"] {
            assert_eq!(HashKind::parse(form), None, "{form}");
        }
    }
}
