//! Password hashes that an operator imports from another system.

use super::{hash_kind::HashKind, password_hash::PasswordHash};

/// Maximum length of a hash in bytes.
const MAX_BYTES: usize = 512;

/// What an import makes of a stored password of another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImportedHash {
    /// Verifies at login, which replaces it.
    Usable(PasswordHash),
    /// Matches no password: the user must set a new one.
    MustReset(ResetReason),
}

/// Why an imported user must set a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResetReason {
    /// The user has no password, or one that the other system made unusable.
    NoPassword,
    /// The hash is malformed, or of an algorithm that this service does not know.
    Unknown,
    /// The hash takes too much time or memory to verify.
    TooExpensive,
}

impl ResetReason {
    /// Returns the name of the reason for programs.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoPassword => "no_password",
            Self::Unknown => "unknown_hash",
            Self::TooExpensive => "too_expensive",
        }
    }

    /// Returns the reason in words for an operator.
    pub fn describe(self) -> &'static str {
        match self {
            Self::NoPassword => "has no usable password",
            Self::Unknown => "has a hash of an unknown kind",
            Self::TooExpensive => "has a hash that costs too much time or memory",
        }
    }
}

impl ImportedHash {
    /// Parses the stored password of another system. Django marks unusable ones with `!`.
    pub fn parse(text: &str) -> Self {
        if text.is_empty() || text.starts_with('!') {
            return Self::MustReset(ResetReason::NoPassword);
        }
        let is_text = text.len() <= MAX_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
        let hash = PasswordHash::from_stored(text.to_owned());
        if !is_text || !hash.is_well_formed() {
            // A cost beyond the limits of its algorithm is not parsed.
            let is_beyond = is_text && has_known_algorithm(text) && HashKind::parse(text).is_none();
            return Self::MustReset(match is_beyond {
                true => ResetReason::TooExpensive,
                false => ResetReason::Unknown,
            });
        }
        match HashKind::parse(text) {
            Some(kind) if !kind.is_affordable() => Self::MustReset(ResetReason::TooExpensive),
            Some(_) => Self::Usable(hash),
            None => Self::MustReset(ResetReason::Unknown),
        }
    }

    /// Returns the hash for the database.
    pub fn into_hash(self) -> PasswordHash {
        match self {
            Self::Usable(hash) => hash,
            Self::MustReset(_) => PasswordHash::unusable(),
        }
    }
}

/// Returns whether the text begins like a hash of an algorithm whose costs are limited when it is
/// parsed.
fn has_known_algorithm(text: &str) -> bool {
    ["argon2$argon2", "$argon2", "scrypt$", "$scrypt$"].iter().any(|start| text.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hash_that_no_login_may_verify_must_be_reset() {
        let must_reset = |text: &str| match ImportedHash::parse(text) {
            ImportedHash::Usable(_) => None,
            ImportedHash::MustReset(reason) => Some(reason),
        };
        use ResetReason::{NoPassword, TooExpensive, Unknown};
        let digest = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
        let bcrypt = "abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ01232";
        for (text, expected) in [
            (String::new(), Some(NoPassword)),
            ("!".into(), Some(NoPassword)),
            ("!rAnDoM".into(), Some(NoPassword)),
            ("secret in plain text".into(), Some(Unknown)),
            ("md5$salt$5f4dcc3b5aa765d61d8327deb882cf99".into(), Some(Unknown)),
            ("pbkdf2_sha256$1000$salt$\0".into(), Some(Unknown)),
            (format!("pbkdf2_sha256$1200000$salt${digest}"), None),
            ("pbkdf2_sha1$1200000$salt$AAECAwQFBgcICQoLDA0ODxAREhM=".into(), None),
            (format!("pbkdf2_sha1$1200000$salt${digest}"), Some(Unknown)),
            ("pbkdf2_sha256$1200000$salt$AA==".into(), Some(Unknown)),
            ("pbkdf2_sha1$1200000$salt$AA==".into(), Some(Unknown)),
            (format!("pbkdf2_sha256$10000000$salt${digest}"), Some(TooExpensive)),
            (format!("pbkdf2_sha256$1000$salt${}", digest.repeat(99)), Some(Unknown)),
            (format!("$2y$12${bcrypt}"), None),
            (format!("$2y$16${bcrypt}"), Some(TooExpensive)),
            ("$argon2id$v=19$m=4194304,t=4,p=8$c29tZXNhbHQ$AAECAwQF".into(), Some(TooExpensive)),
            ("$argon2id$v=19$m=102400,t=2,p=8$c29tZXNhbHQ$AAECAwQF".into(), Some(Unknown)),
            ("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$AAECAwQFBgcICQoLDA0ODw".into(), None),
            ("$scrypt$ln=14,r=8,p=5$c29tZXNhbHQ$AAECAwQFBgcICQoLDA0O".into(), Some(Unknown)),
            ("$scrypt$ln=14,r=8,p=5$c29tZXNhbHQ$AAECAwQFBgcICQoLDA0ODw".into(), None),
            (
                "$scrypt$ln=1,r=1,p=4194304$c29tZXNhbHQ$AAECAwQFBgcICQoLDA0ODw".into(),
                Some(TooExpensive),
            ),
            (format!("scrypt$67108864$salt$8$1${digest}"), Some(TooExpensive)),
            (format!("scrypt$16384$salt$8$1${digest}"), None),
        ] {
            assert_eq!(must_reset(&text), expected, "{text}");
        }
    }
}
