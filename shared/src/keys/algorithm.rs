//! [`Algorithm`]: the accepted signature algorithms.

use std::{fmt, str::FromStr};

/// Accepted signature algorithms. Each is asymmetric, so a resource server that can verify tokens
/// cannot issue them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    EdDSA,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4). The default, because the common libraries
    /// of all languages accept it. Many refuse EdDSA.
    #[default]
    ES256,
    /// RSA PKCS#1 v1.5 with SHA-256 (RFC 7518 section 3.3).
    RS256,
}

impl Algorithm {
    /// All accepted algorithms.
    pub const ALL: [Self; 3] = [Self::EdDSA, Self::ES256, Self::RS256];

    /// Returns the name in the `alg` of a token or a JWK.
    pub fn name(self) -> &'static str {
        match self {
            Self::EdDSA => "EdDSA",
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
            .ok_or("must be EdDSA, ES256 or RS256")
    }
}
