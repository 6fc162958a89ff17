//! `auth-service audit`: print the audit trail.

use std::io::Write;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use service_kit::{CommandError, logs::field};
use shared::clock::Clock;
use uuid::Uuid;

use super::{open_migrated_store, users};
use crate::{
    config::Settings,
    store::audit::{self, Filter, StoredEvent},
};

#[derive(Args, Debug)]
pub struct Which {
    /// Only what is about this user: a username, an email, or the id, which is all that is left of a user who was deleted
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Only what this client did, or what was done to it
    #[arg(long, value_name = "ID")]
    client: Option<String>,
    /// Only events of this name, such as login_failed
    #[arg(long, value_name = "NAME")]
    event: Option<String>,
    /// Only what happened since: a time (2026-11-24T08:00:00Z), or how long ago (90m, 24h, 7d)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<i64>,
    /// How many events, the last ones
    #[arg(long, value_name = "COUNT", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    /// Print a JSON object a line
    #[arg(long)]
    json: bool,
}

pub async fn run(settings: &Settings, which: Which) -> Result<(), CommandError> {
    let store = open_migrated_store(settings).await?;
    let user_id = match which.user {
        // A name first: it may look like an id.
        Some(user) => Some(match (users::admin(store.clone()).find(&user).await, user.parse::<Uuid>()) {
            (Ok(user), _) => user.id.to_string(),
            (Err(_), Ok(id)) => id.to_string(),
            (Err(why), Err(_)) => return Err(why.into()),
        }),
        None => None,
    };
    let filter = Filter { user_id, client_id: which.client, event: which.event, since_ms: which.since };
    let limit = which.limit.into();
    let events = store.run(move |connection| audit::last(connection, &filter, limit)).await?;
    let print = if which.json { print_json } else { print_lines };
    // A reader that has seen enough (`head`) is no error.
    match print(&events, &mut std::io::stdout().lock()) {
        Err(why) if why.kind() != std::io::ErrorKind::BrokenPipe => Err(CommandError::new(why.to_string())),
        _ => Ok(()),
    }
}

fn print_json(events: &[StoredEvent], out: &mut dyn Write) -> std::io::Result<()> {
    for event in events {
        let StoredEvent { at, event, actor, user_id, session_id, client_id, ip, user_agent, detail } = event;
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

fn print_lines(events: &[StoredEvent], out: &mut dyn Write) -> std::io::Result<()> {
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

/// To the millisecond.
fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| "-".into(), |time| format!("{time:.3}"))
}

/// A time, or how long ago it was, in milliseconds since the Unix epoch.
fn since(text: &str) -> Result<i64, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time.as_millisecond());
    }
    let wrong =
        || "must be a time such as 2026-11-24T08:00:00Z, or how long ago such as 24h or 7d".to_owned();
    // Days are not SignedDuration's: how long one is depends on the place. Here it is 24 hours.
    let ago = match text.strip_suffix('d') {
        Some(days) => SignedDuration::from_hours(
            days.parse::<u32>().map_err(|_| wrong())?.checked_mul(24).ok_or_else(wrong)?.into(),
        ),
        None => text.parse::<SignedDuration>().map_err(|_| wrong())?,
    };
    let ago = i64::try_from(ago.as_millis()).map_err(|_| wrong())?;
    if ago < 0 { Err(wrong()) } else { Ok(Clock::system().now_ms() - ago) }
}
