//! The migrations, compiled in. One process at a time applies them.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection, connection::SimpleConnection,
    result::Error as DieselError, sql_query,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{AnyConnection, Database};

pub(super) const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");
pub(super) const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// Number of the advisory lock. No other program that uses this database may use the number.
const MIGRATION_LOCK: i64 = 0x6175_7468_6d69_6772;

/// Maximum number of attempts to switch SQLite to WAL, and the time between two.
const WAL_ATTEMPTS: u32 = 100;
const WAL_RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Applies missing migrations. Sets `is_connected` once the database is reached. The lock ends with
/// the connection, even if the process is killed.
///
/// # Errors
/// If the database is unreachable or a migration fails.
pub fn run(
    database: &Database,
    is_connected: &AtomicBool,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let connection = database.connect(None)?;
    is_connected.store(true, Ordering::Release);
    let applied = match connection {
        AnyConnection::Postgres(mut connection) => {
            let lock = sql_query(format!("SELECT pg_advisory_lock({MIGRATION_LOCK})"));
            lock.execute(&mut connection)?;
            // A migration that waits for a table's lock makes all later statements on the table
            // wait too. It gives up soon, and is tried again.
            connection.batch_execute("SET lock_timeout = '1s'")?;
            connection.run_pending_migrations(POSTGRES)?.len()
        }
        AnyConnection::Sqlite(mut connection) => {
            use_wal(&mut connection)?;
            connection.immediate_transaction(|connection| {
                let applied =
                    connection.run_pending_migrations(SQLITE).map(|applied| applied.len());
                applied.map_err(DieselError::QueryBuilderError)
            })?
        }
    };
    if applied > 0 {
        log::info!("{applied} migrations applied: the schema is up to date");
    }
    Ok(())
}

/// Switches a SQLite file to WAL, in which readers and a writer do not wait for each other. The
/// file keeps the mode. If two processes switch at once, SQLite refuses one of them, whatever the
/// busy timeout is.
fn use_wal(connection: &mut SqliteConnection) -> QueryResult<()> {
    let mut attempts_left = WAL_ATTEMPTS;
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(DieselError::DatabaseError(_, why))
                if attempts_left > 0 && why.message().contains("locked") =>
            {
                attempts_left -= 1;
                thread::sleep(WAL_RETRY_INTERVAL);
            }
            outcome => return outcome,
        }
    }
}
