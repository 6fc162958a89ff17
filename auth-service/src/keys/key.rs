//! A signing key that this replica has read from the database and opened.

use shared::{claims::ACCESS_TOKEN_TYP, keys::Algorithm};

use super::{KeysError, Secret, SigningKey};
use crate::{domain::compact_jws, store::signing_keys::KeyRow};

/// An opened key with its database row.
pub struct Key {
    pub(super) row: KeyRow,
    pub(super) signing: SigningKey,
    /// The encoded header of every token that this key signs.
    encoded_header: String,
}

impl Key {
    /// Opens a key with the secret that sealed it.
    ///
    /// # Errors
    /// [`KeysError::DoesNotOpen`], also if the private key does not match the row's key id.
    pub(super) fn open(row: KeyRow, secret: &Secret) -> Result<Self, KeysError> {
        let does_not_open = || KeysError::DoesNotOpen(row.kid.clone());
        let algorithm: Algorithm = row.algorithm.parse().map_err(|_| does_not_open())?;
        let pkcs8 = secret.open(&row.kid, &row.sealed).ok_or_else(does_not_open)?;
        let signing = SigningKey::from_pkcs8(algorithm, &pkcs8).ok_or_else(does_not_open)?;
        if signing.kid() != row.kid {
            return Err(does_not_open());
        }
        let header = serde_json::json!({
            "alg": algorithm.name(),
            "typ": ACCESS_TOKEN_TYP,
            "kid": signing.kid(),
        });
        let encoded_header = compact_jws::encode_header(&header.to_string());
        Ok(Self { row, signing, encoded_header })
    }

    /// Returns the recorded lifetime of the tokens that the key signs, in milliseconds.
    pub fn token_lifetime_ms(&self) -> i64 {
        self.row.times.token_lifetime_ms
    }

    /// Returns the signed token that contains `claims`, which are JSON.
    pub fn sign(&self, claims: &[u8]) -> String {
        compact_jws::serialize(&self.encoded_header, claims, |input| self.signing.sign(input))
    }
}
