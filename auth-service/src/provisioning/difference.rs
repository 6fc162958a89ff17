//! What a change does, for the operator. It contains no secret.

use uuid::Uuid;

use crate::accounts::ClaimsEdit;

/// A difference between the file and the database.
#[derive(Clone, Debug)]
pub enum Difference {
    ClientAdded {
        id: String,
        scopes: Vec<String>,
        audiences: Vec<String>,
        secret_file: String,
    },
    ClientChanged {
        id: String,
        scopes: NameChanges,
        audiences: NameChanges,
    },
    /// The secret in the file is another one than the client's.
    SecretReplaced {
        id: String,
        secret_file: String,
    },
    ClientRemoved {
        id: String,
    },
    ClaimsChanged {
        user_id: Uuid,
        username: String,
        edit: ClaimsEdit,
    },
    ReceiverAdded {
        url: String,
        events: Vec<String>,
        secret_file: String,
    },
    ReceiverChanged {
        url: String,
        events: NameChanges,
    },
    /// The secret in the file is another one than the receiver's.
    ReceiverSecretReplaced {
        url: String,
        secret_file: String,
    },
    ReceiverRemoved {
        url: String,
    },
    NameReserved(String),
    NameReleased(String),
}

/// Names that a list gains and loses.
#[derive(Clone, Debug, Default)]
pub struct NameChanges {
    pub added: Vec<String>,
    pub removed: Vec<String>,
}

impl NameChanges {
    /// Compares two lists of names that spaces separate.
    pub fn between(before: &str, after: &str) -> Self {
        let beyond = |names: &str, others: &str| {
            let is_new = |name: &&str| !others.split_whitespace().any(|other| other == *name);
            names.split_whitespace().filter(is_new).map(str::to_owned).collect()
        };
        Self { added: beyond(after, before), removed: beyond(before, after) }
    }
}
