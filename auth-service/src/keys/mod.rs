//! Keys: the secret that all replicas share, the signing keys, and their rotation.

mod error;
mod jwks;
mod key;
mod operator;
mod private_file;
mod reload;
mod rotation;
mod secret;
mod signing_key;
mod signing_keys;

pub use self::{
    error::KeysError,
    jwks::JwksDocument,
    key::Key,
    operator::{Activation, KeyInfo},
    private_file::{WriteOutcome, create_private_folder, write_once},
    secret::Secret,
    signing_key::SigningKey,
    signing_keys::{KeySettings, SigningKeys},
};
