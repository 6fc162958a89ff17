//! The database: whether it accepts writes, has the schema, and holds keys that the secret opens.

use shared::clock::Clock;

use super::{clocks, finding::Finding};
use crate::{
    app::database,
    config::Settings,
    domain::key_schedule::{KeyState, states},
    health::one_line,
    keys::Secret,
    store::{
        Database,
        examine::{Examined, Server, examine},
        signing_keys::KeyRow,
    },
};

const MS_PER_DAY: i64 = 86_400_000;

pub async fn check(settings: &Settings, secret: Option<&Secret>, clock: &Clock) -> Vec<Finding> {
    let database = match database(settings) {
        Ok(database) => database,
        Err(why) => return vec![unreachable(settings, &why.to_string())],
    };
    if let Database::Sqlite(file) = &database
        && !file.exists()
    {
        let state = format!("{} does not exist yet: the first start creates it", file.display());
        return vec![Finding::fine("database", state)];
    }
    let timeout = settings.database.timeout;
    let began_ms = clock.now_ms();
    let examined = tokio::task::spawn_blocking(move || examine(&database, timeout)).await;
    let ended_ms = clock.now_ms();
    let examined = match examined {
        Ok(Ok(examined)) => examined,
        Ok(Err(why)) => return vec![unreachable(settings, &one_line(&why.to_string()))],
        Err(why) => return vec![unreachable(settings, &why.to_string())],
    };
    let mut findings = vec![Finding::fine("database", summary(&examined))];
    if let Some(pooler) = examined.pooler {
        let name = pooler.name();
        let state = format!(
            "the connections go through {name}: each query runs in a transaction of its own, with \
             two more round trips"
        );
        findings.push(Finding::fine("pooler", state));
    }
    if let Some(server) = &examined.server {
        findings.extend(check_server(server, &examined, settings));
        let now_ms = server.now_ms;
        findings.push(clocks::check("the database's", now_ms, began_ms, ended_ms, settings));
    }
    findings.push(match examined.missing_migrations {
        0 => check_keys(&examined.keys, secret, clock.now_ms()),
        missing => Finding::advice(
            "schema",
            format!("{missing} migrations are not applied"),
            "Run `auth-service migrate`, or start the service, which applies them.",
        ),
    });
    findings
}

fn unreachable(settings: &Settings, why: &str) -> Finding {
    let remedy = if settings.database.url().is_some() {
        "Check DATABASE_URL, that PostgreSQL runs, and that this machine can reach it."
    } else {
        "Check that the data folder (DATA_DIR) is writable, and that its disk has space."
    };
    Finding::wrong("database", why, remedy)
}

fn summary(examined: &Examined) -> String {
    let Examined { product, server, round_trip, .. } = examined;
    let encryption = match server {
        // The server knows only the connection of the pooler.
        Some(_) if examined.pooler.is_some() => "",
        Some(server) if server.is_encrypted => " with TLS",
        Some(_) => " without TLS",
        None => "",
    };
    let ms = round_trip.as_secs_f64() * 1000.0;
    format!("{product}{encryption}, answers within {ms:.1} ms")
}

fn check_server(server: &Server, examined: &Examined, settings: &Settings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let encoding = &server.encoding;
    if encoding != "UTF8" {
        findings.push(Finding::wrong(
            "encoding",
            format!("the database has the encoding {encoding}, which lacks most characters"),
            "Create another database with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0. \
             The service does not start on this one.",
        ));
    }
    findings.extend(check_rights(server, examined.missing_migrations));
    if server.is_read_only {
        findings.push(Finding::wrong(
            "database",
            "the server accepts no writes: it is a replica, or is set to read-only",
            "Name all servers in DATABASE_URL, with ?target_session_attrs=read-write: libpq then \
             finds the primary.",
        ));
    }
    let pool_size = settings.database.pool_size;
    let max_connections = server.max_connections;
    // A pooler has a limit of its own.
    if examined.pooler.is_none() && i64::from(pool_size) >= max_connections {
        findings.push(Finding::wrong(
            "database",
            format!(
                "DATABASE_POOL_SIZE is {pool_size}, and the server accepts {max_connections} \
                 connections in total"
            ),
            "Set DATABASE_POOL_SIZE lower: replicas times pool size must be less than \
             max_connections.",
        ));
    }
    findings
}

/// Checks that the role may create tables, which migrations do.
fn check_rights(server: &Server, missing_migrations: usize) -> Option<Finding> {
    let Server { role, schema, may_create_tables, .. } = server;
    if *may_create_tables {
        return None;
    }
    let (state, remedy) = if schema.is_empty() {
        (
            format!("the role {role} finds no schema to create tables in"),
            format!("Create a schema, and run ALTER ROLE \"{role}\" SET search_path = …"),
        )
    } else {
        (
            format!("the role {role} may not create tables in the schema {schema}"),
            format!("Run GRANT CREATE ON SCHEMA \"{schema}\" TO \"{role}\""),
        )
    };
    Some(if missing_migrations > 0 {
        Finding::wrong("rights", state, format!("{remedy}, or run `migrate` with another role."))
    } else {
        Finding::advice("rights", state, format!("{remedy} before the next upgrade."))
    })
}

/// Checks that the secret opens all keys, and that one of them signs.
fn check_keys(rows: &[KeyRow], secret: Option<&Secret>, now_ms: i64) -> Finding {
    if rows.is_empty() {
        return Finding::fine("keys", "no keys yet: the first start generates one");
    }
    let opens =
        |row: &&KeyRow| secret.is_some_and(|secret| secret.open(&row.kid, &row.sealed).is_some());
    let sealed_by_another = rows.len() - rows.iter().filter(opens).count();
    if sealed_by_another > 0 {
        let remedy = "Give this process the file of the other replicas (SECRET_KEY_FILE), with \
            earlier secrets below the first.";
        let total = rows.len();
        let state = format!("{sealed_by_another} of {total} keys were sealed with another secret");
        return Finding::wrong("keys", state, remedy);
    }
    let states = states(rows.iter().map(|row| row.times), now_ms);
    let current = rows.iter().zip(&states).find(|(_, state)| **state == KeyState::Current);
    match current {
        Some((KeyRow { kid, algorithm, times, .. }, _)) => {
            let days = (now_ms - times.activates_at_ms.unwrap_or(now_ms)) / MS_PER_DAY;
            Finding::fine("keys", format!("{kid} ({algorithm}) has signed for {days} days"))
        }
        None => Finding::wrong("keys", "no key signs yet", "Run `auth-service keys rotate --now`."),
    }
}
