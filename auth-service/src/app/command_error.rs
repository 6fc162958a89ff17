//! Errors of use cases and stores as lines for the operator.

use service_kit::CommandError;

use crate::{
    accounts::AdminError,
    jobs::{outbox::OutboxAdminError, webhooks::WebhookAdminError},
    keys::KeysError,
    oauth::ClientAdminError,
    provisioning::ApplyError,
    store::StoreError,
};

impl From<StoreError> for CommandError {
    fn from(why: StoreError) -> Self {
        Self::new(why.to_string())
    }
}

impl From<AdminError> for CommandError {
    fn from(why: AdminError) -> Self {
        let line = why.to_string();
        match why {
            AdminError::NothingToChange | AdminError::UnknownEvent { .. } => Self::usage(line),
            _ => Self::new(line),
        }
    }
}

impl From<ClientAdminError> for CommandError {
    fn from(why: ClientAdminError) -> Self {
        Self::new(why.to_string())
    }
}

impl From<KeysError> for CommandError {
    fn from(why: KeysError) -> Self {
        Self::new(why.to_string())
    }
}

impl From<OutboxAdminError> for CommandError {
    fn from(why: OutboxAdminError) -> Self {
        Self::new(why.to_string())
    }
}

impl From<WebhookAdminError> for CommandError {
    fn from(why: WebhookAdminError) -> Self {
        Self::new(why.to_string())
    }
}

impl From<ApplyError> for CommandError {
    fn from(why: ApplyError) -> Self {
        let line = why.to_string();
        match why {
            ApplyError::Faults(_)
            | ApplyError::KindNotInFile(_)
            | ApplyError::TooManyPruned(_)
            | ApplyError::LastAdmin(_) => Self::usage(line),
            _ => Self::new(line),
        }
    }
}
