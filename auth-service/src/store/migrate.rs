//! The schema, compiled in. One process at a time applies it; the others wait, and find it done.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use diesel::{
    QueryResult, RunQueryDsl, SqliteConnection, connection::SimpleConnection, result::Error as DieselError,
    sql_query,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::{AnyConnection, Database};

pub(super) const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");
pub(super) const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// The advisory lock's number: any will do that nobody else on this database uses.
const LOCK: i64 = 0x6175_7468_6d69_6772;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Applies what is missing. The lock ends with the connection, however that ends. Says once it has begun, which is when it
/// is connected.
pub fn run(database: &Database, has_begun: &AtomicBool) -> Result<(), Failure> {
    let connection = database.connect(None)?;
    has_begun.store(true, Ordering::Release);
    let applied = match connection {
        AnyConnection::Postgres(mut connection) => {
            sql_query(format!("SELECT pg_advisory_lock({LOCK})")).execute(&mut connection)?;
            // Whoever uses a table meanwhile is not kept waiting behind us. It is tried again.
            connection.batch_execute("SET lock_timeout = '1s'")?;
            connection.run_pending_migrations(POSTGRES)?.len()
        }
        AnyConnection::Sqlite(mut connection) => {
            use_wal(&mut connection)?;
            connection.immediate_transaction(|connection| {
                let applied = connection.run_pending_migrations(SQLITE).map(|applied| applied.len());
                applied.map_err(DieselError::QueryBuilderError)
            })?
        }
    };
    if applied > 0 {
        log::info!("the schema is up to date: {applied} migrations applied");
    }
    Ok(())
}

/// Readers and a writer do not wait for each other in this mode, which the file keeps. Two processes that switch to it
/// at once do not wait for each other either, whatever the busy timeout: one of them is refused, and tries again.
fn use_wal(connection: &mut SqliteConnection) -> QueryResult<()> {
    let mut attempts = 100;
    loop {
        match connection.batch_execute("PRAGMA journal_mode = WAL") {
            Err(DieselError::DatabaseError(_, why)) if attempts > 0 && why.message().contains("locked") => {
                attempts -= 1;
                std::thread::sleep(Duration::from_millis(50));
            }
            done => return done,
        }
    }
}
