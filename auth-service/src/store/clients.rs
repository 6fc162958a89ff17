//! The clients table.

use diesel::prelude::*;

use super::{AnyConnection, schema::clients, transaction::insert_unless_exists};
use crate::domain::client::{ClientId, SecretHash};

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: ClientId,
    pub secret_hash: SecretHash,
    /// Names of scopes, separated by spaces.
    pub scope: String,
    /// Audiences of the client's own access tokens, separated by spaces. Empty: the audiences of
    /// the setting AUDIENCE.
    pub audiences: String,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// Milliseconds since the Unix epoch.
    pub secret_changed_at_ms: i64,
}

type Row = (String, String, String, i64, i64, String);

fn client((id, hash, scope, created_at_ms, secret_changed_at_ms, audiences): Row) -> Client {
    let id = ClientId::from_stored(id);
    let secret_hash = SecretHash::from_stored(hash);
    Client { id, secret_hash, scope, audiences, created_at_ms, secret_changed_at_ms }
}

/// Returns the client with this id.
pub fn find(connection: &mut AnyConnection, id: &ClientId) -> QueryResult<Option<Client>> {
    clients::table.find(id.as_str()).first::<Row>(connection).optional().map(|row| row.map(client))
}

/// Returns all clients, in the order of their ids.
pub fn all(connection: &mut AnyConnection) -> QueryResult<Vec<Client>> {
    let rows: Vec<Row> = clients::table.order(clients::id).load(connection)?;
    Ok(rows.into_iter().map(client).collect())
}

/// Returns up to `limit` clients, in the order of their ids, starting after the id `after`.
pub fn page(
    connection: &mut AnyConnection,
    after: Option<&str>,
    limit: i64,
) -> QueryResult<Vec<Client>> {
    let mut query = clients::table.order(clients::id).limit(limit).into_boxed();
    if let Some(after) = after {
        query = query.filter(clients::id.gt(after.to_owned()));
    }
    let rows: Vec<Row> = query.load(connection)?;
    Ok(rows.into_iter().map(client).collect())
}

/// Inserts a client. Returns `false` if a client with the id exists.
pub fn insert(connection: &mut AnyConnection, client: &Client) -> QueryResult<bool> {
    let insert = diesel::insert_into(clients::table).values((
        clients::id.eq(client.id.as_str()),
        clients::secret_hash.eq(client.secret_hash.as_str()),
        clients::scope.eq(&client.scope),
        clients::audiences.eq(&client.audiences),
        clients::created_at.eq(client.created_at_ms),
        clients::secret_changed_at.eq(client.secret_changed_at_ms),
    ));
    insert_unless_exists(connection, |connection| insert.execute(connection))
}

/// Replaces a client, unless it has changed since `read` was read. Returns whether it did. Both have
/// the same id.
pub fn replace(connection: &mut AnyConnection, read: &Client, next: &Client) -> QueryResult<bool> {
    let unchanged = clients::table
        .find(read.id.as_str())
        .filter(clients::secret_hash.eq(read.secret_hash.as_str()))
        .filter(clients::scope.eq(&read.scope))
        .filter(clients::audiences.eq(&read.audiences));
    diesel::update(unchanged)
        .set((
            clients::secret_hash.eq(next.secret_hash.as_str()),
            clients::scope.eq(&next.scope),
            clients::audiences.eq(&next.audiences),
            clients::secret_changed_at.eq(next.secret_changed_at_ms),
        ))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Deletes a client. Returns whether it existed.
pub fn delete(connection: &mut AnyConnection, id: &ClientId) -> QueryResult<bool> {
    diesel::delete(clients::table.find(id.as_str())).execute(connection).map(|deleted| deleted > 0)
}
