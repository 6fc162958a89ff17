//! What a database says of itself, asked without changing anything. For `auth-service doctor`.

use std::time::{Duration, Instant};

use diesel::{
    QueryResult, QueryableByName, RunQueryDsl,
    migration::{Migration, MigrationSource},
    pg::Pg,
    sql_query,
    sql_types::{BigInt, Bool, Text},
    sqlite::Sqlite,
};

use super::{AnyConnection, Database, connection::ConnectError, migrate, signing_keys, signing_keys::KeyRow};

/// A database that answers.
#[derive(Debug)]
pub struct Examined {
    /// Its name and version.
    pub product: String,
    /// How long a question takes.
    pub round_trip: Duration,
    /// How many migrations it lacks.
    pub missing_migrations: usize,
    /// The signing keys, if the schema is there.
    pub keys: Vec<KeyRow>,
    /// What only a server can say. `None` for SQLite.
    pub server: Option<Server>,
}

/// What PostgreSQL says of itself.
#[derive(Debug)]
pub struct Server {
    pub is_encrypted: bool,
    /// A replica, or a server that is set to change nothing.
    pub is_read_only: bool,
    /// How many connections it takes in all.
    pub max_connections: i64,
    /// What time it is there, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

#[derive(QueryableByName)]
struct Said {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(sql_type = Bool)]
    is_encrypted: bool,
    #[diesel(sql_type = Bool)]
    is_read_only: bool,
    #[diesel(sql_type = BigInt)]
    max_connections: i64,
    #[diesel(sql_type = BigInt)]
    now_ms: i64,
}

#[derive(QueryableByName)]
struct Version {
    #[diesel(sql_type = Text)]
    version: String,
}

const ASK_POSTGRES: &str = "SELECT current_setting('server_version') AS version, \
     COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted, \
     current_setting('transaction_read_only')::bool AS is_read_only, \
     current_setting('max_connections')::bigint AS max_connections, \
     (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms";

/// Asks the database. It may be out of reach; then why.
///
/// # Errors
/// In words that hold no password.
pub fn examine(database: &Database, limit: Duration) -> Result<Examined, ConnectError> {
    let mut connection = database.connect(Some(limit))?;
    let began = Instant::now();
    let (product, server, wanted) = match &mut connection {
        AnyConnection::Postgres(postgres) => {
            let said: Said = sql_query(ASK_POSTGRES).get_result(postgres)?;
            let Said { version, is_encrypted, is_read_only, max_connections, now_ms } = said;
            let server = Server { is_encrypted, is_read_only, max_connections, now_ms };
            let wanted = versions(MigrationSource::<Pg>::migrations(&migrate::POSTGRES));
            (format!("PostgreSQL {version}"), Some(server), wanted)
        }
        AnyConnection::Sqlite(sqlite) => {
            let said: Version = sql_query("SELECT sqlite_version() AS version").get_result(sqlite)?;
            let wanted = versions(MigrationSource::<Sqlite>::migrations(&migrate::SQLITE));
            (format!("SQLite {}", said.version), None, wanted)
        }
    };
    let round_trip = began.elapsed();
    // An error is a table that is not there yet.
    let applied = applied(&mut connection).unwrap_or_default();
    let missing_migrations = wanted.iter().filter(|version| !applied.contains(version)).count();
    let keys = if missing_migrations == 0 { signing_keys::all(&mut connection)? } else { Vec::new() };
    Ok(Examined { product, round_trip, missing_migrations, keys, server })
}

fn versions<DB: diesel::backend::Backend>(
    migrations: diesel::migration::Result<Vec<Box<dyn Migration<DB>>>>,
) -> Vec<String> {
    let migrations = migrations.unwrap_or_default();
    migrations.iter().map(|migration| migration.name().version().to_string()).collect()
}

fn applied(connection: &mut AnyConnection) -> QueryResult<Vec<String>> {
    let ask = sql_query("SELECT version FROM __diesel_schema_migrations");
    let rows: Vec<Version> = match connection {
        AnyConnection::Postgres(postgres) => ask.load(postgres)?,
        AnyConnection::Sqlite(sqlite) => ask.load(sqlite)?,
    };
    Ok(rows.into_iter().map(|row| row.version).collect())
}
