//! A connection to either database, and the error when there is none.

use diesel::{
    ConnectionError, PgConnection, QueryResult, SqliteConnection, connection::SimpleConnection,
    result::Error as DieselError,
};

/// A connection to either database. Queries are written once (diesel's `MultiConnection`).
#[derive(diesel::MultiConnection)]
pub enum AnyConnection {
    /// PostgreSQL.
    Postgres(PgConnection),
    /// SQLite.
    Sqlite(SqliteConnection),
}

/// Error returned when no connection can be opened. It never quotes a password.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConnectError(String);

impl From<ConnectionError> for ConnectError {
    fn from(error: ConnectionError) -> Self {
        Self(error.to_string())
    }
}

impl From<DieselError> for ConnectError {
    fn from(error: DieselError) -> Self {
        Self(error.to_string())
    }
}

/// Runs the cheapest query, to check that the database answers.
pub fn ping(connection: &mut AnyConnection) -> QueryResult<()> {
    connection.batch_execute("SELECT 1")
}
