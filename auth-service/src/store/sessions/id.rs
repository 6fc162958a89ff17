//! Session ids as the database stores them.

use diesel::{QueryResult, result::Error as DieselError};
use shared::claims::SessionId;

/// Parses a stored session id.
pub fn parse_id(id: &str) -> QueryResult<SessionId> {
    let parsed = id.parse().map_err(|why| DieselError::DeserializationError(Box::new(why)))?;
    Ok(SessionId(parsed))
}

/// Parses rows of a stored session id and a time.
pub fn parse_rows(rows: &[(String, i64)]) -> QueryResult<Vec<(SessionId, i64)>> {
    rows.iter().map(|(id, at_ms)| Ok((parse_id(id)?, *at_ms))).collect()
}
