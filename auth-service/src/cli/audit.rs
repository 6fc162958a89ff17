//! `auth-service audit`: prints the audit trail.

use clap::{Args, value_parser};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use service_kit::{CommandError, logs::field, output::print};
use shared::clock::Clock;

use super::{format::Format, open::user_admin};
use crate::{
    accounts::{AuditFilter, NamedEvent},
    config::Settings,
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

fn object(NamedEvent { event: stored, username }: &NamedEvent) -> Value {
    json!({
        "time": time(stored.at),
        "event": stored.event,
        "actor": stored.actor,
        "operator": stored.operator,
        "user": stored.user_id,
        "username": username,
        "session": stored.session_id,
        "client": stored.client_id,
        "ip": stored.ip,
        "user_agent": stored.user_agent,
        "detail": stored.detail,
    })
}

fn text_line(NamedEvent { event, username }: &NamedEvent) -> String {
    let mut line = format!("{}  {:21}  by {:8}", time(event.at), event.event, event.actor);
    let fields = [
        ("operator", &event.operator),
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
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let wrong = || "must be a time such as 2026-11-24T08:00:00Z, or a duration such as 24h or 7d";
    // SignedDuration parses no days, whose length depends on the time zone. Here a day is 24 hours.
    let duration = match text.strip_suffix('d') {
        Some(days) => {
            let days: u32 = days.parse().map_err(|_| wrong())?;
            SignedDuration::from_hours(days.checked_mul(24).ok_or_else(wrong)?.into())
        }
        None => text.parse::<SignedDuration>().map_err(|_| wrong())?,
    };
    let ms = i64::try_from(duration.as_millis()).map_err(|_| wrong())?;
    if ms < 0 { Err(wrong().into()) } else { Ok(Clock::system().now_ms() - ms) }
}
