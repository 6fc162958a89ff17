//! `auth-service cleanup`: delete what has expired, and end.

use service_kit::CommandError;
use shared::clock::Clock;

use crate::{app::open_store_patiently, config::Settings, jobs::cleanup::Cleanup, store::StoreError};

pub async fn run(settings: &Settings) -> Result<(), CommandError> {
    let failed = |why: StoreError| CommandError::new(why.to_string());
    let store = open_store_patiently(settings)?;
    store.migrate().await.map_err(failed)?;
    let deleted = Cleanup::new(settings).run(&store, &Clock::system()).await.map_err(failed)?;
    println!(
        "Deleted {} sessions that had expired, and {} old events of the audit trail.",
        deleted.sessions, deleted.audit_events
    );
    Ok(())
}
