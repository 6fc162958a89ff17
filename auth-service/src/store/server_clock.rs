//! The clock of the database server.

use diesel::{QueryResult, QueryableByName, RunQueryDsl, sql_query, sql_types::BigInt};

use super::AnyConnection;

#[derive(QueryableByName)]
struct NowRow {
    #[diesel(sql_type = BigInt)]
    now_ms: i64,
}

/// Returns the time by the server's clock, in milliseconds since the Unix epoch. `None` for SQLite,
/// which uses the clock of this process.
pub fn now_ms(connection: &mut AnyConnection) -> QueryResult<Option<i64>> {
    let AnyConnection::Postgres(connection) = connection else { return Ok(None) };
    let query = "SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms";
    sql_query(query).get_result(connection).map(|NowRow { now_ms }| Some(now_ms))
}
