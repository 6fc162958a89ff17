//! Applies the migrations. One process at a time does.

use std::{thread, time::Duration};

use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, SqliteConnection, backend::Backend,
    connection::SimpleConnection, migration::MigrationSource, result::Error as DieselError,
    sql_query, sql_types::Text,
};
use diesel_migrations::MigrationHarness;

use super::{
    AnyConnection, Database,
    applied::{self, Missing, POSTGRES, SQLITE},
    connection::ConnectError,
    database::OpenConnection,
};

/// Number of the advisory lock. No other program that uses this database may use the number.
const MIGRATION_LOCK: i64 = 0x6175_7468_6d69_6772;

/// Maximum number of attempts to switch SQLite to WAL, and the time between two.
const WAL_ATTEMPTS: u32 = 100;
const WAL_RETRY_INTERVAL: Duration = Duration::from_millis(50);

#[derive(QueryableByName)]
struct EncodingRow {
    #[diesel(sql_type = Text)]
    encoding: String,
}

/// Error returned when the database cannot get the schema.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Query(#[from] DieselError),
    /// The database has another encoding than UTF-8, and could not hold every name.
    #[error(
        "the database has the encoding {0}, and must have UTF8: create another one with CREATE \
         DATABASE … ENCODING 'UTF8' TEMPLATE template0"
    )]
    NotUtf8(String),
}

/// Applies missing migrations. Calls `waits` before it waits for the lock of the migrations. The
/// lock belongs to a transaction, so it ends with the connection, and works through a pooler.
///
/// # Errors
/// If the database is unreachable or not in UTF-8, or a migration fails.
pub fn run(database: &Database, waits: impl FnOnce()) -> Result<(), MigrateError> {
    let mut connection = database.connect(None)?;
    check_encoding(&mut connection)?;
    if let AnyConnection::Sqlite(sqlite) = connection.inner() {
        use_wal(sqlite)?;
    }
    // A start with a current schema needs neither the lock nor the right to create tables.
    if connection.run(applied::missing)? == Missing::None {
        return Ok(());
    }
    waits();
    let is_sqlite = matches!(database, Database::Sqlite(_));
    let mut count = 0;
    if is_sqlite {
        // One transaction, because each commit waits for the disk.
        count = connection.transaction(|connection| {
            let mut count = 0;
            while apply_next(connection)? {
                count += 1;
            }
            Ok(count)
        })?;
    } else {
        // A transaction for each migration, so that none holds the locks of those before it.
        while connection.transaction(apply_next)? {
            count += 1;
        }
    }
    if count > 0 {
        log::info!("{count} migrations applied: the schema is up to date");
    }
    Ok(())
}

/// Checks that the database can hold every character.
///
/// # Errors
/// [`MigrateError::NotUtf8`].
pub fn check_encoding(connection: &mut OpenConnection) -> Result<(), MigrateError> {
    match connection.run(encoding)?.as_str() {
        "UTF8" => Ok(()),
        other => Err(MigrateError::NotUtf8(other.to_owned())),
    }
}

/// Returns the encoding of the database. A SQLite file that this program creates has UTF-8.
pub fn encoding(connection: &mut AnyConnection) -> QueryResult<String> {
    let AnyConnection::Postgres(postgres) = connection else { return Ok("UTF8".into()) };
    let query = sql_query("SELECT current_setting('server_encoding') AS encoding");
    Ok(query.get_result::<EncodingRow>(postgres)?.encoding)
}

/// Applies the next migration under the lock of the migrations, in the transaction that has begun.
/// Returns whether a migration was missing.
fn apply_next(connection: &mut AnyConnection) -> QueryResult<bool> {
    let applied = match connection {
        AnyConnection::Postgres(postgres) => {
            // A migration that waits for a table's lock makes all later statements on the table
            // wait too. It gives up soon, and is tried again.
            postgres.batch_execute(&format!(
                "SELECT pg_advisory_xact_lock({MIGRATION_LOCK}); SET LOCAL lock_timeout = '1s'"
            ))?;
            apply_next_of(postgres, POSTGRES)
        }
        AnyConnection::Sqlite(sqlite) => apply_next_of(sqlite, SQLITE),
    };
    applied.map_err(DieselError::QueryBuilderError)
}

fn apply_next_of<DB: Backend>(
    harness: &mut impl MigrationHarness<DB>,
    source: impl MigrationSource<DB>,
) -> diesel::migration::Result<bool> {
    let pending = harness.pending_migrations(source)?;
    pending.first().map_or(Ok(false), |next| harness.run_migration(next).map(|_| true))
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
