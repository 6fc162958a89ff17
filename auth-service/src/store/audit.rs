//! The audit_events table: it is added to, read, and emptied of what is too old. Nothing in it ever changes.

use diesel::{
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Nullable, Text},
};

use super::{AnyConnection, in_transaction, schema::audit_events};
use crate::domain::audit::AuditRecord;

/// An event as it was remembered.
#[derive(Clone, Debug, PartialEq, Eq, Queryable, Selectable)]
#[diesel(table_name = audit_events)]
pub struct StoredEvent {
    /// Milliseconds since the Unix epoch.
    pub at: i64,
    pub event: String,
    pub actor: String,
    pub user_id: Option<String>,
    pub session_id: Option<String>,
    pub client_id: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub detail: Option<String>,
}

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub user_id: Option<String>,
    pub client_id: Option<String>,
    pub event: Option<String>,
    /// From this time on, in milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
}

type EventColumns = (
    audit_events::at,
    audit_events::event,
    audit_events::actor,
    audit_events::user_id,
    audit_events::session_id,
    audit_events::client_id,
    audit_events::ip,
    audit_events::user_agent,
    audit_events::detail,
);

const EVENT_COLUMNS: EventColumns = (
    audit_events::at,
    audit_events::event,
    audit_events::actor,
    audit_events::user_id,
    audit_events::session_id,
    audit_events::client_id,
    audit_events::ip,
    audit_events::user_agent,
    audit_events::detail,
);

/// The values of an event, in the order of [`EVENT_COLUMNS`].
macro_rules! event_values {
    ($record:expr) => {
        (
            $record.at_ms.into_sql::<BigInt>(),
            $record.event.name().into_sql::<Text>(),
            $record.actor.name().into_sql::<Text>(),
            $record.user_id.as_deref().into_sql::<Nullable<Text>>(),
            $record.session_id.map(|sid| sid.to_string()).into_sql::<Nullable<Text>>(),
            $record.client_id.as_deref().into_sql::<Nullable<Text>>(),
            $record.origin.ip.as_deref().into_sql::<Nullable<Text>>(),
            $record.origin.user_agent.as_deref().into_sql::<Nullable<Text>>(),
            $record.detail.as_deref().into_sql::<Nullable<Text>>(),
        )
    };
}

/// Adds an event.
pub fn insert(connection: &mut AnyConnection, record: &AuditRecord) -> QueryResult<()> {
    diesel::select(event_values!(record))
        .insert_into(audit_events::table)
        .into_columns(EVENT_COLUMNS)
        .execute(connection)
        .map(drop)
}

diesel::table! {
    /// What a change returns of the rows that it changed, while its record is added.
    changed (id) {
        id -> Text,
    }
}

/// A change that returns the `id` of each row that it changed, and the events that are added for them: one statement, one
/// round trip, and no transaction to begin and to end.
#[derive(QueryId)]
struct Recorded<C, I> {
    change: C,
    insert: I,
}

impl<C: QueryFragment<Pg>, I: QueryFragment<Pg>> QueryFragment<Pg> for Recorded<C, I> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH changed AS (");
        self.change.walk_ast(out.reborrow())?;
        out.push_sql(") ");
        self.insert.walk_ast(out)
    }
}

impl<C, I> RunQueryDsl<PgConnection> for Recorded<C, I> {}

/// Makes a change to one row, and remembers it if there is such a row, both or neither. Says whether there was. The change is
/// told twice: for PostgreSQL, where it returns the row's `id`, and for SQLite, where each statement is a call and no
/// round trip.
pub fn recorded(
    connection: &mut AnyConnection,
    on_postgres: impl QueryFragment<Pg> + QueryId,
    on_sqlite: impl FnOnce(&mut AnyConnection) -> QueryResult<usize>,
    record: &AuditRecord,
) -> QueryResult<bool> {
    match connection {
        AnyConnection::Postgres(postgres) => {
            insert_for_each(postgres, on_postgres, record).map(|rows| rows > 0)
        }
        AnyConnection::Sqlite(_) => in_transaction(connection, |connection| {
            let is_changed = on_sqlite(connection)? > 0;
            if is_changed {
                insert(connection, record)?;
            }
            Ok(is_changed)
        }),
    }
}

/// Makes a change that returns the `id` of each row that it changes, and adds the event for each, both or neither. Says
/// how many there were.
fn insert_for_each(
    connection: &mut PgConnection,
    change: impl QueryFragment<Pg> + QueryId,
    record: &AuditRecord,
) -> QueryResult<usize> {
    let insert = changed::table
        .select(event_values!(record))
        .insert_into(audit_events::table)
        .into_columns(EVENT_COLUMNS);
    Recorded { change, insert }.execute(connection)
}

/// The last `limit` events that the filter lets through, in the order in which they happened.
pub fn last(connection: &mut AnyConnection, filter: &Filter, limit: i64) -> QueryResult<Vec<StoredEvent>> {
    let mut query = audit_events::table.into_boxed();
    if let Some(id) = &filter.user_id {
        query = query.filter(audit_events::user_id.eq(id));
    }
    if let Some(id) = &filter.client_id {
        query = query.filter(audit_events::client_id.eq(id));
    }
    if let Some(event) = &filter.event {
        query = query.filter(audit_events::event.eq(event));
    }
    if let Some(since) = filter.since_ms {
        query = query.filter(audit_events::at.ge(since));
    }
    let mut found: Vec<StoredEvent> = query
        .select(StoredEvent::as_select())
        .order((audit_events::at.desc(), audit_events::number.desc()))
        .limit(limit)
        .load(connection)?;
    found.reverse();
    Ok(found)
}

/// Deletes up to `limit` events that are older than this. Says how many it deleted.
pub fn delete_older(connection: &mut AnyConnection, than_ms: i64, limit: i64) -> QueryResult<usize> {
    let older: Vec<i64> = audit_events::table
        .filter(audit_events::at.lt(than_ms))
        .select(audit_events::number)
        .limit(limit)
        .load(connection)?;
    diesel::delete(audit_events::table.filter(audit_events::number.eq_any(older))).execute(connection)
}
