//! `auth-service migrate`: bring the schema up to date, and end.

use shared::service::StartError;

use crate::{config::Settings, state::open_store_patiently};

pub async fn run(settings: &Settings) -> Result<(), StartError> {
    let store = open_store_patiently(settings)?;
    store
        .migrate()
        .await
        .map_err(|_| StartError::new("the schema was not brought up to date: see the log"))?;
    println!("The schema is up to date.");
    Ok(())
}
