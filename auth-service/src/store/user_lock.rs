//! The lock of a user's row.

use diesel::prelude::*;

use super::{AnyConnection, schema::users};

/// Locks a user's row until the transaction ends.
///
/// A transaction that changes a user and rows that belong to the user locks the user first, so that
/// no two transactions wait for each other. SQLite has one writer at a time and needs no lock.
pub fn lock_user(connection: &mut AnyConnection, id: &str) -> QueryResult<()> {
    if let AnyConnection::Postgres(postgres) = connection {
        users::table.find(id).select(users::id).for_update().execute(postgres)?;
    }
    Ok(())
}
