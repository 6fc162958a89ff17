//! The services that commands take, and errors as lines for the operator.

use service_kit::CommandError;
use shared::clock::Clock;

use crate::{
    accounts::{AdminError, UserAdmin},
    app::open_store_for_cli,
    config::Settings,
    domain::audit::Initiator,
    keys::KeysError,
    oauth::ClientAdminError,
    store::{Store, StoreError},
};

/// Opens the database and applies missing migrations.
pub async fn open_migrated_store(settings: &Settings) -> Result<Store, CommandError> {
    let store = open_store_for_cli(settings)?;
    store.migrate().await?;
    Ok(store)
}

/// Opens the database for the use cases of an operator who administers users.
pub async fn user_admin(settings: &Settings) -> Result<UserAdmin, CommandError> {
    let store = open_migrated_store(settings).await?;
    Ok(UserAdmin { store, clock: Clock::system(), initiator: Initiator::operator() })
}

impl From<StoreError> for CommandError {
    fn from(why: StoreError) -> Self {
        Self::new(why.to_string())
    }
}

impl From<AdminError> for CommandError {
    fn from(why: AdminError) -> Self {
        Self::new(why.to_string())
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
