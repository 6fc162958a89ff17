//! `auth-service cleanup`: deletes expired sessions and old audit events.

use serde_json::json;
use service_kit::{CommandError, output::print_outcome};
use shared::clock::Clock;

use super::{format::Format, open::open_recorded_store};
use crate::{app, config::Settings, jobs::cleanup::Deleted};

pub async fn run(settings: &Settings, format: Format) -> Result<(), CommandError> {
    let store = open_recorded_store(settings).await?;
    let deleted = app::cleanup(settings).run(&store, &Clock::system()).await?;
    let Deleted { sessions, audit_events } = deleted;
    let text = || {
        format!(
            "Deleted {sessions} expired sessions and {audit_events} old events of the audit trail\n"
        )
    };
    let json = || json!({"deleted_sessions": sessions, "deleted_audit_events": audit_events});
    print_outcome(&format.one(text, json))
}
