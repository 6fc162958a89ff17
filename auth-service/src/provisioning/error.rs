//! Why a file is not applied.

use super::fault::Fault;
use crate::{
    accounts::AdminError, jobs::webhooks::WebhookAdminError, oauth::ClientAdminError,
    store::StoreError,
};

/// Error returned when a file is not applied. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    #[error("the file has {} faults", .0.len())]
    Faults(Vec<Fault>),
    #[error(
        "the file does not have {0}: --prune={0} would remove all of them. Write {0} = [] if \
             that is what you want"
    )]
    KindNotInFile(&'static str),
    #[error(
        "--prune would take scopes or roles from more than {0} users whom the file \
         does not name: add them to the file, or name the kinds to prune, as in --prune=clients"
    )]
    TooManyPruned(usize),
    #[error(
        "no enabled user would have the role admin: {} would lose it. Add --allow-no-admin to \
         apply the file all the same", .0.join(", ")
    )]
    LastAdmin(Vec<String>),
    #[error("other commands keep changing the same entries: apply the file again")]
    Contended,
    #[error(
        "the file has webhooks, whose secrets are sealed with the secret of the replicas: set \
         SECRET_KEY_FILE or DATA_DIR as they have it"
    )]
    NoSecret,
    #[error(transparent)]
    Webhooks(#[from] WebhookAdminError),
    #[error(transparent)]
    Clients(#[from] ClientAdminError),
    #[error(transparent)]
    Users(#[from] AdminError),
    #[error(transparent)]
    Store(#[from] StoreError),
}
