//! The issuer's public keys (RFC 7517), parsed once and kept in memory.
//!
//! | item | content |
//! |---|---|
//! | [`Algorithm`] | the accepted signature algorithms |
//! | [`PublicKey`] | one key, parsed from a JWK |
//! | [`KeySet`] | the usable keys of a JWKS, by key id |
//! | [`KeySource`] | where a verifier with given keys looks up an unknown key id |
//! | `remote` | keys fetched from the issuer over HTTP |

mod algorithm;
mod key_set;
mod public_key;
mod remote;

use std::pin::Pin;

pub use jsonwebtoken::jwk::{Jwk, JwkSet};

pub(crate) use self::remote::{KeyLimits, KeysLocation, RemoteKeys};
pub use self::{
    algorithm::Algorithm,
    key_set::KeySet,
    public_key::{JwkError, PublicKey},
};
use crate::VerifyError;

/// Source of newer keys for a verifier that was built with given keys. The verifier asks it when a
/// token has an unknown key id.
pub trait KeySource: Send + Sync {
    /// Reads the current keys and passes them to [`Verifier::set_keys`](crate::Verifier::set_keys).
    /// An implementation limits how often it reads, because clients choose key ids.
    ///
    /// # Errors
    /// [`VerifyError::KeysUnavailable`] if the keys cannot be read.
    fn reload(&self) -> Pin<Box<dyn Future<Output = Result<(), VerifyError>> + Send + '_>>;
}
