//! `auth-service migrate`: applies missing migrations.

use serde_json::json;
use service_kit::{CommandError, output::print_outcome};

use super::{format::Format, open::unavailable};
use crate::{app::open_store_to_migrate, config::Settings};

pub async fn run(settings: &Settings, format: Format) -> Result<(), CommandError> {
    let store = open_store_to_migrate(settings)?;
    store.migrate().await.map_err(|_| unavailable(&store))?;
    let text = || "The schema is up to date\n".into();
    print_outcome(&format.one(text, || json!({"schema": "up to date"})))
}
