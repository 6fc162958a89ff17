//! `auth-service cleanup`: delete what has expired, and end.

use shared::{clock::Clock, service::StartError};

use crate::{cleanup::Cleanup, config::Settings, state::open_store_patiently, store::StoreError};

pub async fn run(settings: &Settings) -> Result<(), StartError> {
    let failed = |why: StoreError| StartError::new(why.to_string());
    let store = open_store_patiently(settings)?;
    store.migrate().await.map_err(failed)?;
    let deleted = Cleanup::new(settings).run(&store, &Clock::system()).await.map_err(failed)?;
    println!(
        "Deleted {} sessions that had expired, and {} old events of the audit trail.",
        deleted.sessions, deleted.audit_events
    );
    Ok(())
}
