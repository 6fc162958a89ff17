//! `auth-service users sessions`.

use serde_json::{Value, json};
use service_kit::{CommandError, output::print};

use crate::{
    accounts::UserAdmin,
    cli::{format::Format, text::time},
    store::sessions::SessionDetails,
};

pub async fn run(admin: &UserAdmin, user: &str, format: Format) -> Result<(), CommandError> {
    let (_, sessions) = admin.sessions(user).await?;
    print(&format.list(&sessions, || table(&sessions), object))
}

fn table(sessions: &[SessionDetails]) -> String {
    let mut table = format!(
        "{:36}  {:20}  {:20}  {:20}  {:15}  DEVICE\n",
        "ID", "BEGAN", "LAST USED", "ENDS", "ADDRESS"
    );
    for session in sessions {
        let began = time(session.created_at_ms);
        let used = time(session.last_used_at_ms);
        let ends = time(session.expires_at_ms);
        let address = session.origin.ip.as_deref().unwrap_or_default();
        let device = session.origin.user_agent.as_deref().unwrap_or_default();
        table +=
            &format!("{}  {began:20}  {used:20}  {ends:20}  {address:15}  {device}\n", session.sid);
    }
    table
}

fn object(session: &SessionDetails) -> Value {
    json!({
        "id": session.sid.to_string(),
        "device": session.origin.user_agent,
        "address": session.origin.ip,
        "created_at": time(session.created_at_ms),
        "last_used_at": time(session.last_used_at_ms),
        "expires_at": time(session.expires_at_ms),
    })
}
