//! The clients table.

use diesel::prelude::*;

use super::{AnyConnection, insert_unless_exists, schema::clients};
use crate::domain::client::{ClientId, SecretHash};

/// A registered client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    pub id: ClientId,
    pub secret_hash: SecretHash,
    /// Separated by spaces.
    pub scope: String,
    /// Milliseconds since the Unix epoch.
    pub created_at_ms: i64,
    /// Milliseconds since the Unix epoch.
    pub secret_changed_at_ms: i64,
}

type Row = (String, String, String, i64, i64);

fn client((id, hash, scope, created_at_ms, secret_changed_at_ms): Row) -> Client {
    let (id, secret_hash) = (ClientId::stored(id), SecretHash::stored(hash));
    Client { id, secret_hash, scope, created_at_ms, secret_changed_at_ms }
}

/// The client of this id.
pub fn find(connection: &mut AnyConnection, id: &ClientId) -> QueryResult<Option<Client>> {
    clients::table.find(id.as_str()).first::<Row>(connection).optional().map(|row| row.map(client))
}

/// All clients, in the order of their ids.
pub fn all(connection: &mut AnyConnection) -> QueryResult<Vec<Client>> {
    let rows: Vec<Row> = clients::table.order(clients::id).load(connection)?;
    Ok(rows.into_iter().map(client).collect())
}

/// Adds a client, unless there is one of that id. Says whether it did.
pub fn insert(connection: &mut AnyConnection, client: &Client) -> QueryResult<bool> {
    let insert = diesel::insert_into(clients::table).values((
        clients::id.eq(client.id.as_str()),
        clients::secret_hash.eq(client.secret_hash.as_str()),
        clients::scope.eq(&client.scope),
        clients::created_at.eq(client.created_at_ms),
        clients::secret_changed_at.eq(client.secret_changed_at_ms),
    ));
    insert_unless_exists(connection, |connection| insert.execute(connection))
}

/// Gives a client another secret. Says whether there is such a client.
pub fn replace_secret(
    connection: &mut AnyConnection,
    id: &ClientId,
    hash: &SecretHash,
    now_ms: i64,
) -> QueryResult<bool> {
    diesel::update(clients::table.find(id.as_str()))
        .set((clients::secret_hash.eq(hash.as_str()), clients::secret_changed_at.eq(now_ms)))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Deletes a client. Says whether there was such a client.
pub fn delete(connection: &mut AnyConnection, id: &ClientId) -> QueryResult<bool> {
    diesel::delete(clients::table.find(id.as_str())).execute(connection).map(|deleted| deleted > 0)
}
