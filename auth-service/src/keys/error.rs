//! Errors of the signing keys.

use crate::{health::UnavailableReason, store::StoreError};

/// Error returned when the signing keys cannot be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The stored key was sealed with another secret, or is damaged.
    #[error("the key {0} in the database does not open with this secret (SECRET_KEY_FILE)")]
    DoesNotOpen(String),
    /// A next key exists, and at most one may exist.
    #[error("a next key already exists: {0}. Rotate to it, or retire it")]
    NextExists(String),
    /// The key to add is already in the database.
    #[error("the key {0} already exists")]
    AlreadyExists(String),
    /// The key to retire is the current key.
    #[error("{0} is the current key: rotate first, or use --force")]
    IsCurrent(String),
    #[error("no key has the id {0}")]
    UnknownKey(String),
    #[error("there is no key yet: start the service, or run `keys generate`")]
    NoKey,
    /// Another process changed the keys at the same time.
    #[error("another process is changing the keys: list them, then try again")]
    ConcurrentChange,
}

impl KeysError {
    /// Returns the reason that `/readyz` shows to an operator.
    pub(super) fn reason(&self) -> UnavailableReason {
        match self {
            Self::DoesNotOpen(kid) => UnavailableReason::WrongSecret(kid.clone()),
            _ => UnavailableReason::Text("the keys cannot be read: see the log"),
        }
    }
}
