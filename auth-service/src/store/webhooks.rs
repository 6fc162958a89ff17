//! The webhooks table: receivers of webhooks.

use diesel::{pg::Pg, prelude::*};

use super::{AnyConnection, schema::webhooks, transaction::insert_unless_exists};

/// A receiver.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = webhooks)]
pub struct Webhook {
    pub id: String,
    pub url: String,
    /// Types of events, separated by spaces.
    pub events: String,
    /// The secrets, sealed.
    pub sealed: String,
    /// Milliseconds since the Unix epoch.
    pub created_at: i64,
}

fn columns() -> <Webhook as Selectable<Pg>>::SelectExpression {
    <Webhook as Selectable<Pg>>::construct_selection()
}

/// Returns all receivers, ordered by URL.
pub fn all(connection: &mut AnyConnection) -> QueryResult<Vec<Webhook>> {
    webhooks::table.order(webhooks::url).select(columns()).load(connection)
}

/// Inserts a receiver. Returns `false` if one with the URL exists.
pub fn insert(connection: &mut AnyConnection, webhook: &Webhook) -> QueryResult<bool> {
    let insert = diesel::insert_into(webhooks::table).values(webhook);
    insert_unless_exists(connection, |connection| insert.execute(connection))
}

/// Replaces a receiver, unless it has changed since `read` was read. Returns whether it did. Both
/// have the same id and URL.
pub fn replace(
    connection: &mut AnyConnection,
    read: &Webhook,
    next: &Webhook,
) -> QueryResult<bool> {
    let unchanged = webhooks::table
        .find(&read.id)
        .filter(webhooks::events.eq(&read.events))
        .filter(webhooks::sealed.eq(&read.sealed));
    diesel::update(unchanged)
        .set((webhooks::events.eq(&next.events), webhooks::sealed.eq(&next.sealed)))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Deletes a receiver. The cleanup deletes its messages, a page at a time, because a receiver may
/// have many. Returns whether the receiver existed.
pub fn delete(connection: &mut AnyConnection, id: &str) -> QueryResult<bool> {
    diesel::delete(webhooks::table.find(id)).execute(connection).map(|deleted| deleted > 0)
}
