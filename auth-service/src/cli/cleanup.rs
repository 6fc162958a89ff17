//! `auth-service cleanup`: deletes expired sessions and old audit events.

use service_kit::CommandError;
use shared::clock::Clock;

use super::open_migrated_store;
use crate::{app, config::Settings, jobs::cleanup::Deleted};

pub async fn run(settings: &Settings) -> Result<(), CommandError> {
    let store = open_migrated_store(settings).await?;
    let deleted = app::cleanup(settings).run(&store, &Clock::system()).await?;
    let Deleted { sessions, audit_events } = deleted;
    println!(
        "Deleted {sessions} expired sessions and {audit_events} old events of the audit trail"
    );
    Ok(())
}
