//! The migrations, compiled in, and those that a database has. Reads only.

use diesel::{
    QueryResult, QueryableByName, RunQueryDsl,
    backend::Backend,
    migration::{Migration, MigrationSource, Result as MigrationResult},
    pg::Pg,
    sql_query,
    sql_types::{Bool, Text},
    sqlite::Sqlite,
};
use diesel_migrations::{EmbeddedMigrations, embed_migrations};

use super::AnyConnection;

pub const POSTGRES: EmbeddedMigrations = embed_migrations!("../migrations/postgres");
pub const SQLITE: EmbeddedMigrations = embed_migrations!("../migrations/sqlite");

/// The migrations that a database lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    None,
    /// This number of migrations. The database has others.
    Some(usize),
    /// All migrations, of this number: the database has no schema.
    All(usize),
}

impl Missing {
    /// Returns the number of missing migrations.
    pub fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::Some(count) | Self::All(count) => count,
        }
    }
}

#[derive(QueryableByName)]
struct ExistsRow {
    #[diesel(sql_type = Bool)]
    exists: bool,
}

#[derive(QueryableByName)]
struct VersionRow {
    #[diesel(sql_type = Text)]
    version: String,
}

/// Returns the migrations that the database lacks. A database of a later version of this program
/// lacks none.
pub fn missing(connection: &mut AnyConnection) -> QueryResult<Missing> {
    let compiled_in = match connection {
        AnyConnection::Postgres(_) => versions(MigrationSource::<Pg>::migrations(&POSTGRES)),
        AnyConnection::Sqlite(_) => versions(MigrationSource::<Sqlite>::migrations(&SQLITE)),
    };
    let applied = applied(connection)?;
    let missing = compiled_in.iter().filter(|version| !applied.contains(version)).count();
    Ok(match missing {
        0 => Missing::None,
        count if count == compiled_in.len() => Missing::All(count),
        count => Missing::Some(count),
    })
}

fn versions<DB: Backend>(migrations: MigrationResult<Vec<Box<dyn Migration<DB>>>>) -> Vec<String> {
    let migrations = migrations.unwrap_or_default();
    migrations.iter().map(|migration| migration.name().version().to_string()).collect()
}

/// Returns the versions of the applied migrations. None if their table does not exist: a query of a
/// missing table would end the transaction.
fn applied(connection: &mut AnyConnection) -> QueryResult<Vec<String>> {
    let query = sql_query("SELECT version FROM __diesel_schema_migrations");
    let exists = match connection {
        AnyConnection::Postgres(_) => {
            "SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL AS \"exists\""
        }
        AnyConnection::Sqlite(_) => {
            "SELECT EXISTS (SELECT 1 FROM sqlite_master \
             WHERE name = '__diesel_schema_migrations') AS \"exists\""
        }
    };
    let rows: Vec<VersionRow> = match connection {
        AnyConnection::Postgres(postgres) => {
            if !sql_query(exists).get_result::<ExistsRow>(postgres)?.exists {
                return Ok(Vec::new());
            }
            query.load(postgres)?
        }
        AnyConnection::Sqlite(sqlite) => {
            if !sql_query(exists).get_result::<ExistsRow>(sqlite)?.exists {
                return Ok(Vec::new());
            }
            query.load(sqlite)?
        }
    };
    Ok(rows.into_iter().map(|row| row.version).collect())
}
