//! Keys: the secret that replicas share, the signing keys, and their rotation.

pub mod rotation;
pub mod secret;
pub mod signing_key;
pub mod signing_keys;
