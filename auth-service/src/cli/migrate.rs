//! `auth-service migrate`: applies missing migrations.

use service_kit::CommandError;

use crate::{app::open_store_for_cli, config::Settings};

pub async fn run(settings: &Settings) -> Result<(), CommandError> {
    let store = open_store_for_cli(settings)?;
    store
        .migrate()
        .await
        .map_err(|_| CommandError::new("the migrations were not applied: see the log"))?;
    println!("The schema is up to date");
    Ok(())
}
