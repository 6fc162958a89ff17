//! Examines a database without changing it, for `auth-service doctor`.

use std::time::{Duration, Instant};

use diesel::{
    QueryResult, QueryableByName, RunQueryDsl, sql_query,
    sql_types::{BigInt, Bool, Text},
};

use super::{
    AnyConnection, Database, applied,
    connection::ConnectError,
    pooler::Pooler,
    signing_keys::{self, KeyRow},
};

/// A database that answers.
#[derive(Debug)]
pub struct Examined {
    /// Name and version.
    pub product: String,
    /// Time that a query takes.
    pub round_trip: Duration,
    /// The pooler that the connections go through.
    pub pooler: Option<Pooler>,
    /// Number of migrations that are not applied.
    pub missing_migrations: usize,
    /// The signing keys. Empty if a migration is missing.
    pub keys: Vec<KeyRow>,
    /// State of the server. `None` for SQLite.
    pub server: Option<Server>,
}

/// State of a PostgreSQL server.
#[derive(Debug, QueryableByName)]
pub struct Server {
    #[diesel(sql_type = Bool)]
    pub is_encrypted: bool,
    /// Whether the server is a replica, or is set to accept no writes.
    #[diesel(sql_type = Bool)]
    pub is_read_only: bool,
    /// Name of the database's encoding. `UTF8` holds every character.
    #[diesel(sql_type = Text)]
    pub encoding: String,
    /// The role that this program uses.
    #[diesel(sql_type = Text)]
    pub role: String,
    /// The schema in which the role creates tables. Empty if the role finds none.
    #[diesel(sql_type = Text)]
    pub schema: String,
    #[diesel(sql_type = Bool)]
    pub may_create_tables: bool,
    #[diesel(sql_type = BigInt)]
    pub max_connections: i64,
    /// Time by the server's clock, in milliseconds since the Unix epoch.
    #[diesel(sql_type = BigInt)]
    pub now_ms: i64,
}

#[derive(QueryableByName)]
struct ServerRow {
    #[diesel(sql_type = Text)]
    version: String,
    #[diesel(embed)]
    server: Server,
}

#[derive(QueryableByName)]
struct VersionRow {
    #[diesel(sql_type = Text)]
    version: String,
}

const SERVER_QUERY: &str = "SELECT current_setting('server_version') AS version, \
     COALESCE((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS is_encrypted, \
     current_setting('transaction_read_only')::bool AS is_read_only, \
     current_setting('server_encoding') AS encoding, current_user::text AS role, \
     COALESCE(current_schema()::text, '') AS schema, \
     COALESCE(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create_tables, \
     current_setting('max_connections')::bigint AS max_connections, \
     (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms";

/// Connects to the database and reads its version, settings, migrations and signing keys.
///
/// # Errors
/// [`ConnectError`], in words that contain no password.
pub fn examine(database: &Database, limit: Duration) -> Result<Examined, ConnectError> {
    let mut connection = database.connect(Some(limit))?;
    let began = Instant::now();
    connection.ping()?;
    let round_trip = began.elapsed();
    let (product, server) = connection.run(product)?;
    let missing_migrations = connection.run(applied::missing)?.count();
    let keys = match missing_migrations {
        0 => connection.run(signing_keys::all)?,
        _ => Vec::new(),
    };
    let pooler = database.pooler();
    Ok(Examined { product, round_trip, pooler, missing_migrations, keys, server })
}

/// Returns name and version, and the state of a server.
fn product(connection: &mut AnyConnection) -> QueryResult<(String, Option<Server>)> {
    match connection {
        AnyConnection::Postgres(postgres) => {
            let row: ServerRow = sql_query(SERVER_QUERY).get_result(postgres)?;
            Ok((format!("PostgreSQL {}", row.version), Some(row.server)))
        }
        AnyConnection::Sqlite(sqlite) => {
            let query = sql_query("SELECT sqlite_version() AS version");
            let row: VersionRow = query.get_result(sqlite)?;
            Ok((format!("SQLite {}", row.version), None))
        }
    }
}
