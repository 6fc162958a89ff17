//! Keys: the secret that all replicas share, the signing keys, and their rotation.

pub mod error;
pub mod jwks;
pub mod key;
pub mod operator;
pub mod private_file;
mod reload;
mod rotation;
pub mod secret;
pub mod signing_key;
pub mod signing_keys;
