//! `auth-service audit`: prints the audit trail.

use clap::{Args, value_parser};
use jiff::Timestamp;
use serde_json::{Value, json};
use service_kit::{CommandError, logs::field, output::print};
use shared::clock::Clock;

use super::{format::Format, open::user_admin};
use crate::{
    accounts::{AuditFilter, NamedEvent},
    config::Settings,
    domain::time::parse_since,
};

#[derive(Args, Debug)]
pub struct Query {
    /// Only events about this user: a username, an email address, or an id. The username and the id
    /// also find the events of a deleted user
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only events about or by this client
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Only events of this name, such as login_failed
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Only events since this time (2026-11-24T08:00:00Z) or within this duration (90m, 24h, 7d)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<i64>,
    /// Maximum number of events. The last ones are printed
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "1000",
        value_parser = value_parser!(u32).range(1..)
    )]
    limit: u32,
}

pub async fn run(settings: &Settings, query: Query, format: Format) -> Result<(), CommandError> {
    let Query { user, client, event, since, limit } = query;
    let admin = user_admin(settings).await?;
    let filter = AuditFilter { user, client_id: client, event, since_ms: since };
    let events = admin.audit_trail(filter, limit.into()).await?;
    print(&format.list(&events, || events.iter().map(text_line).collect(), object))
}

fn object(NamedEvent { event: stored, username, admin }: &NamedEvent) -> Value {
    json!({
        "time": time(stored.at),
        "event": stored.event,
        "actor": stored.actor,
        "operator": stored.operator,
        "admin": admin,
        "user": stored.user_id,
        "username": username,
        "session": stored.session_id,
        "client": stored.client_id,
        "ip": stored.ip,
        "user_agent": stored.user_agent,
        "detail": stored.detail,
    })
}

fn text_line(NamedEvent { event, username, admin }: &NamedEvent) -> String {
    let mut line = format!("{}  {:21}  by {:8}", time(event.at), event.event, event.actor);
    let fields = [
        ("operator", &event.operator),
        ("admin", admin),
        ("user", &event.user_id),
        ("username", username),
        ("session", &event.session_id),
        ("client", &event.client_id),
        ("ip", &event.ip),
        ("user_agent", &event.user_agent),
        ("detail", &event.detail),
    ];
    for (name, value) in fields {
        if let Some(text) = value {
            line += &format!("  {name}={}", field(text));
        }
    }
    line + "\n"
}

/// Formats a time, to the millisecond.
fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| "-".into(), |time| format!("{time:.3}"))
}

/// Parses a time or a duration before now. Returns milliseconds since the Unix epoch.
pub(super) fn since(text: &str) -> Result<i64, String> {
    parse_since(text, Clock::system().now_ms()).map_err(Into::into)
}
