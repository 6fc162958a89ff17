//! `auth-service audit`: prints the audit trail.

use std::io::{self, Write};

use clap::{Args, value_parser};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use service_kit::{CommandError, logs::field};
use shared::clock::Clock;

use super::user_admin;
use crate::{
    accounts::{AuditFilter, StoredEvent},
    config::Settings,
};

#[derive(Args, Debug)]
pub struct Query {
    /// Only events about this user: a username, an email address, or an id. The id also finds the
    /// events of a deleted user
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
    /// Print each event as a JSON object on a line
    #[arg(long)]
    json: bool,
}

pub async fn run(settings: &Settings, query: Query) -> Result<(), CommandError> {
    let Query { user, client, event, since, limit, json } = query;
    let admin = user_admin(settings).await?;
    let filter = AuditFilter { user, client_id: client, event, since_ms: since };
    let events = admin.audit_trail(filter, limit.into()).await?;
    let print = if json { print_json } else { print_lines };
    match print(&events, &mut io::stdout().lock()) {
        // The reader of a pipe may read only the start, as `head` does.
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(why) => Err(CommandError::new(why.to_string())),
        Ok(()) => Ok(()),
    }
}

fn print_json(events: &[StoredEvent], out: &mut dyn Write) -> io::Result<()> {
    for StoredEvent { at, event, actor, user_id, session_id, client_id, ip, user_agent, detail } in
        events
    {
        let line = json!({
            "time": time(*at),
            "event": event,
            "actor": actor,
            "user": user_id,
            "session": session_id,
            "client": client_id,
            "ip": ip,
            "user_agent": user_agent,
            "detail": detail,
        });
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn print_lines(events: &[StoredEvent], out: &mut dyn Write) -> io::Result<()> {
    for event in events {
        write!(out, "{}  {:21}  by {:8}", time(event.at), event.event, event.actor)?;
        let fields = [
            ("user", &event.user_id),
            ("session", &event.session_id),
            ("client", &event.client_id),
            ("ip", &event.ip),
            ("user_agent", &event.user_agent),
            ("detail", &event.detail),
        ];
        for (name, value) in fields {
            if let Some(text) = value {
                write!(out, "  {name}={}", field(text))?;
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Formats a time, to the millisecond.
fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| "-".into(), |time| format!("{time:.3}"))
}

/// Parses a time or a duration before now. Returns milliseconds since the Unix epoch.
fn since(text: &str) -> Result<i64, String> {
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
