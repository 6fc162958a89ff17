//! A look at a database that changes nothing, for `auth-service doctor`.

use std::time::{Duration, Instant};

use diesel::{
    PgConnection, QueryResult, QueryableByName, RunQueryDsl, SqliteConnection,
    migration::{Migration, MigrationSource},
    pg::Pg,
    sql_query,
    sql_types::{BigInt, Bool, Text},
    sqlite::Sqlite,
};

use super::{
    AnyConnection, Database,
    connection::ConnectError,
    migrate,
    signing_keys::{self, KeyRow},
};

/// A database that answers.
#[derive(Debug)]
pub struct Examined {
    /// Name and version.
    pub product: String,
    /// Time that a query takes.
    pub round_trip: Duration,
    /// Number of migrations that are not applied.
    pub missing_migrations: usize,
    /// The signing keys. Empty if a migration is missing.
    pub keys: Vec<KeyRow>,
    /// State of the server. `None` for SQLite.
    pub server: Option<Server>,
}

/// State of a PostgreSQL server.
#[derive(Debug)]
pub struct Server {
    pub is_encrypted: bool,
    /// Whether the server is a replica, or is set to accept no writes.
    pub is_read_only: bool,
    pub max_connections: i64,
    /// Time by the server's clock, in milliseconds since the Unix epoch.
    pub now_ms: i64,
}

#[derive(QueryableByName)]
struct ServerRow {
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
struct VersionRow {
    #[diesel(sql_type = Text)]
    version: String,
}

/// What is read of the database itself, before its tables.
struct Product {
    name: String,
    server: Option<Server>,
    /// Versions of the compiled-in migrations.
    migrations: Vec<String>,
}

const SERVER_QUERY: &str = "SELECT current_setting('server_version') AS version, \
     COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted, \
     current_setting('transaction_read_only')::bool AS is_read_only, \
     current_setting('max_connections')::bigint AS max_connections, \
     (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms";

/// Connects to the database and reads its version, settings, migrations and signing keys.
///
/// # Errors
/// [`ConnectError`], in words that contain no password.
pub fn examine(database: &Database, limit: Duration) -> Result<Examined, ConnectError> {
    let mut connection = database.connect(Some(limit))?;
    let began = Instant::now();
    let product = match &mut connection {
        AnyConnection::Postgres(postgres) => examine_postgres(postgres)?,
        AnyConnection::Sqlite(sqlite) => examine_sqlite(sqlite)?,
    };
    let round_trip = began.elapsed();
    let Product { name, server, migrations } = product;
    // Fails if the table of migrations does not exist yet.
    let applied = applied(&mut connection).unwrap_or_default();
    let missing_migrations = migrations.iter().filter(|version| !applied.contains(version)).count();
    let keys = match missing_migrations {
        0 => signing_keys::all(&mut connection)?,
        _ => Vec::new(),
    };
    Ok(Examined { product: name, round_trip, missing_migrations, keys, server })
}

fn examine_postgres(postgres: &mut PgConnection) -> QueryResult<Product> {
    let row: ServerRow = sql_query(SERVER_QUERY).get_result(postgres)?;
    let ServerRow { version, is_encrypted, is_read_only, max_connections, now_ms } = row;
    Ok(Product {
        name: format!("PostgreSQL {version}"),
        server: Some(Server { is_encrypted, is_read_only, max_connections, now_ms }),
        migrations: versions(MigrationSource::<Pg>::migrations(&migrate::POSTGRES)),
    })
}

fn examine_sqlite(sqlite: &mut SqliteConnection) -> QueryResult<Product> {
    let row: VersionRow = sql_query("SELECT sqlite_version() AS version").get_result(sqlite)?;
    Ok(Product {
        name: format!("SQLite {}", row.version),
        server: None,
        migrations: versions(MigrationSource::<Sqlite>::migrations(&migrate::SQLITE)),
    })
}

fn versions<DB: diesel::backend::Backend>(
    migrations: diesel::migration::Result<Vec<Box<dyn Migration<DB>>>>,
) -> Vec<String> {
    let migrations = migrations.unwrap_or_default();
    migrations.iter().map(|migration| migration.name().version().to_string()).collect()
}

fn applied(connection: &mut AnyConnection) -> QueryResult<Vec<String>> {
    let query = sql_query("SELECT version FROM __diesel_schema_migrations");
    let rows: Vec<VersionRow> = match connection {
        AnyConnection::Postgres(postgres) => query.load(postgres)?,
        AnyConnection::Sqlite(sqlite) => query.load(sqlite)?,
    };
    Ok(rows.into_iter().map(|row| row.version).collect())
}
