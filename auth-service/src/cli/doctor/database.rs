//! The database: whether it can be written to, has the schema, and holds keys that this secret opens.

use shared::clock::Clock;

use super::{Finding, clock as clocks};
use crate::{
    app::database,
    config::Settings,
    domain::key_schedule::{KeyState, states},
    health::one_line,
    keys::Secret,
    store::{
        Database,
        examine::{Examined, Server, examine as ask},
        signing_keys::KeyRow,
    },
};

pub async fn examine(settings: &Settings, secret: Option<&Secret>, clock: &Clock) -> Vec<Finding> {
    let database = database(settings);
    if let Database::Sqlite(file) = &database
        && !file.exists()
    {
        let is = format!("{} is not there yet: it is made at the first start", file.display());
        return vec![Finding::fine("database", is)];
    }
    let (asked_ms, limit) = (clock.now_ms(), settings.database_timeout);
    let asked = tokio::task::spawn_blocking(move || ask(&database, limit)).await;
    let answered_ms = clock.now_ms();
    let examined = match asked {
        Ok(Ok(examined)) => examined,
        Ok(Err(why)) => return vec![unreachable(settings, &one_line(&why.to_string()))],
        Err(why) => return vec![unreachable(settings, &why.to_string())],
    };
    let mut findings = vec![Finding::fine("database", summary(&examined))];
    if let Some(server) = &examined.server {
        findings.extend(server_findings(server, settings));
        findings.push(clocks("the database's", server.now_ms, asked_ms, answered_ms, settings));
    }
    match examined.missing_migrations {
        0 => findings.extend(keys(&examined.keys, secret, clock.now_ms())),
        missing => findings.push(Finding::advice(
            "schema",
            format!("{missing} migrations are not applied"),
            "Run `auth-service migrate`, or start the service, which does it.",
        )),
    }
    findings
}

fn unreachable(settings: &Settings, why: &str) -> Finding {
    let remedy = if settings.database_url().is_some() {
        "Check DATABASE_URL, that PostgreSQL runs, and that this machine may reach it."
    } else {
        "Check that the data folder (DATA_DIR) can be written to, and that its disk has space."
    };
    Finding::wrong("database", why, remedy)
}

fn summary(examined: &Examined) -> String {
    let how = match &examined.server {
        Some(server) if server.is_encrypted => ", by TLS",
        Some(_) => ", without TLS",
        None => "",
    };
    format!("{}{how}, answers within {:.1} ms", examined.product, examined.round_trip.as_secs_f64() * 1000.0)
}

fn server_findings(server: &Server, settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    if server.is_read_only {
        findings.push(Finding::wrong(
            "database",
            "it can only be read: a replica, or a server that was set to be",
            "Name all servers in DATABASE_URL, with ?target_session_attrs=read-write: the primary is found.",
        ));
    }
    if i64::from(settings.database_pool_size) >= server.max_connections {
        findings.push(Finding::wrong(
            "database",
            format!(
                "DATABASE_POOL_SIZE is {}, and the server takes {} connections in all",
                settings.database_pool_size, server.max_connections
            ),
            "Set it lower: replicas times pool size, and some more, must fit into max_connections.",
        ));
    }
    findings
}

/// Whether there is a key to sign with, and whether the secret is the one that it was sealed with.
fn keys(rows: &[KeyRow], secret: Option<&Secret>, now_ms: i64) -> Vec<Finding> {
    if rows.is_empty() {
        return vec![Finding::fine("keys", "there are none yet: the first is made at the first start")];
    }
    let is_open = |row: &&KeyRow| secret.is_some_and(|secret| secret.open(&row.kid, &row.sealed).is_some());
    let opened = rows.iter().filter(is_open).count();
    if opened < rows.len() {
        return vec![Finding::wrong(
            "keys",
            format!("{} of {} keys were sealed with another secret", rows.len() - opened, rows.len()),
            "Give this process the file that the others have (SECRET_KEY_FILE), with earlier secrets below the first.",
        )];
    }
    let states = states(rows.iter().map(|row| row.times), now_ms);
    let current = rows.iter().zip(&states).find(|(_, state)| **state == KeyState::Current);
    vec![match current {
        Some((row, _)) => {
            let days = (now_ms - row.times.activates_at_ms.unwrap_or(now_ms)) / 86_400_000;
            Finding::fine("keys", format!("{} ({}) signs since {days} days", row.kid, row.algorithm))
        }
        None => Finding::wrong("keys", "none of them signs yet", "Run `auth-service keys rotate --now`."),
    }]
}
