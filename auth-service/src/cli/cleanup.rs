//! `auth-service cleanup`: delete what has expired, and end.

use service_kit::CommandError;
use shared::clock::Clock;

use super::open_migrated_store;
use crate::{config::Settings, jobs::cleanup::Cleanup};

pub async fn run(settings: &Settings) -> Result<(), CommandError> {
    let store = open_migrated_store(settings).await?;
    let cleanup = Cleanup::new(settings.leeway, settings.audit_retention);
    let deleted = cleanup.run(&store, &Clock::system()).await?;
    println!(
        "Deleted {} sessions that had expired, and {} old events of the audit trail.",
        deleted.sessions, deleted.audit_events
    );
    Ok(())
}
