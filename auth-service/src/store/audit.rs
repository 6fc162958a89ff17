//! The audit_events table. Rows are inserted, read, and deleted once they are too old. No row ever
//! changes.

use diesel::{
    dsl::{exists, sql},
    pg::Pg,
    prelude::*,
    query_builder::{AstPass, QueryFragment, QueryId},
    sql_types::{BigInt, Bool, Nullable, Text},
};

use super::{AnyConnection, schema::audit_events, transaction::in_transaction};
use crate::domain::audit::{AuditEvent, AuditRecord};

/// An event of the audit trail.
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
    /// Login name of the operator, as the environment of the command stated it. Id of the user who
    /// acted as an administrator.
    pub operator: Option<String>,
}

/// Conditions that events must meet. `None`: any value.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub user_id: Option<String>,
    pub client_id: Option<String>,
    pub event: Option<String>,
    /// Earliest time of an event, in milliseconds since the Unix epoch.
    pub since_ms: Option<i64>,
}

/// Returns the columns of an event, in the order of the fields of [`StoredEvent`].
fn event_columns() -> <StoredEvent as Selectable<Pg>>::SelectExpression {
    <StoredEvent as Selectable<Pg>>::construct_selection()
}

/// Lists the values of a record, in the order of [`event_columns`]. `$session_id` replaces the
/// record's session id.
macro_rules! event_values {
    ($record:expr) => {
        event_values!(
            $record,
            $record.session_id.map(|sid| sid.to_string()).into_sql::<Nullable<Text>>()
        )
    };
    ($record:expr, $session_id:expr) => {
        (
            $record.at_ms.into_sql::<BigInt>(),
            $record.event.name().into_sql::<Text>(),
            $record.actor.name().into_sql::<Text>(),
            $record.user_id.as_deref().into_sql::<Nullable<Text>>(),
            $session_id,
            $record.client_id.as_deref().into_sql::<Nullable<Text>>(),
            $record.origin.ip.as_deref().into_sql::<Nullable<Text>>(),
            $record.origin.user_agent.as_deref().into_sql::<Nullable<Text>>(),
            $record.detail.as_deref().into_sql::<Nullable<Text>>(),
            $record.operator.as_deref().into_sql::<Nullable<Text>>(),
        )
    };
}

/// Inserts an event.
pub fn insert(connection: &mut AnyConnection, record: &AuditRecord) -> QueryResult<()> {
    diesel::select(event_values!(record))
        .insert_into(audit_events::table)
        .into_columns(event_columns())
        .execute(connection)
        .map(drop)
}

diesel::table! {
    /// The rows that a change returns, within a statement that also inserts their events.
    changed (id) {
        id -> Text,
    }
}

diesel::table! {
    /// The sessions that a statement ends besides its change.
    ended (id) {
        id -> Text,
    }
}

/// Returns the part of a statement that inserts an event for each row of `changed`.
pub fn insert_for_changed(record: &AuditRecord) -> impl QueryFragment<Pg> + QueryId {
    changed::table
        .select(event_values!(record))
        .insert_into(audit_events::table)
        .into_columns(event_columns())
}

/// Returns the part of a statement that inserts an event for each session of `ended`.
pub fn insert_for_ended(record: &AuditRecord) -> impl QueryFragment<Pg> + QueryId {
    ended::table
        .select(event_values!(record, ended::id.nullable()))
        .insert_into(audit_events::table)
        .into_columns(event_columns())
}

/// A statement that changes rows, returns their `id`s, and inserts an event for each: one round
/// trip, without a statement that begins or ends a transaction.
#[derive(QueryId)]
struct AuditedChange<C, I> {
    change: C,
    insert: I,
}

impl<C: QueryFragment<Pg>, I: QueryFragment<Pg>> QueryFragment<Pg> for AuditedChange<C, I> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Pg>) -> QueryResult<()> {
        out.push_sql("WITH changed AS (");
        self.change.walk_ast(out.reborrow())?;
        out.push_sql(") ");
        self.insert.walk_ast(out)
    }
}

impl<C, I> RunQueryDsl<PgConnection> for AuditedChange<C, I> {}

/// Changes one row and inserts its event, both or neither. Returns whether the change found a row.
///
/// The caller passes the change in two forms: for PostgreSQL a statement that returns the row's
/// `id`, for SQLite a function, because there a second statement costs no round trip.
pub fn execute_audited(
    connection: &mut AnyConnection,
    on_postgres: impl QueryFragment<Pg> + QueryId,
    on_sqlite: impl FnOnce(&mut AnyConnection) -> QueryResult<usize>,
    record: &AuditRecord,
) -> QueryResult<bool> {
    match connection {
        AnyConnection::Postgres(postgres) => {
            let change = AuditedChange { change: on_postgres, insert: insert_for_changed(record) };
            change.execute(postgres).map(|inserted| inserted > 0)
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

/// Earlier logins of a user in the audit trail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LoginHistory {
    /// Whether the user had logged in before.
    pub has_earlier: bool,
    /// Whether the user had logged in from this address before.
    pub has_earlier_from_address: bool,
}

/// Returns the earlier logins of a user, without the login of `session_id`.
pub fn login_history(
    connection: &mut AnyConnection,
    user_id: &str,
    session_id: &str,
    ip: &str,
) -> QueryResult<LoginHistory> {
    let earlier = audit_events::table
        .filter(audit_events::user_id.eq(user_id))
        .filter(audit_events::event.eq(AuditEvent::Login.name()))
        .filter(audit_events::session_id.ne(session_id));
    let from_address = earlier.filter(audit_events::ip.eq(ip));
    Ok(LoginHistory {
        has_earlier: diesel::select(exists(earlier)).get_result(connection)?,
        has_earlier_from_address: diesel::select(exists(from_address)).get_result(connection)?,
    })
}

/// Place of an event in the order of the trail: time, and number of the row.
pub type Position = (i64, i64);

/// Returns the last `limit` events that meet the filter, oldest first.
pub fn last(
    connection: &mut AnyConnection,
    filter: &Filter,
    limit: i64,
) -> QueryResult<Vec<StoredEvent>> {
    let newest_first = page(connection, filter, None, limit)?;
    Ok(newest_first.into_iter().rev().map(|(_, event)| event).collect())
}

/// Returns the last `limit` events before `before` that meet the filter, newest first.
pub fn page(
    connection: &mut AnyConnection,
    filter: &Filter,
    before: Option<Position>,
    limit: i64,
) -> QueryResult<Vec<(Position, StoredEvent)>> {
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
    if let Some((at, number)) = before {
        // A comparison of rows uses the index.
        let is_before = sql::<Bool>("(at, number) < (").bind::<BigInt, _>(at).sql(", ");
        query = query.filter(is_before.bind::<BigInt, _>(number).sql(")"));
    }
    let found: Vec<(i64, StoredEvent)> = query
        .select((audit_events::number, StoredEvent::as_select()))
        .order((audit_events::at.desc(), audit_events::number.desc()))
        .limit(limit)
        .load(connection)?;
    Ok(found.into_iter().map(|(number, event)| ((event.at, number), event)).collect())
}

/// Returns whether the trail has an event that meets the filter.
pub fn has(connection: &mut AnyConnection, filter: &Filter) -> QueryResult<bool> {
    last(connection, filter, 1).map(|found| !found.is_empty())
}

/// Deletes up to `limit` events from before `than_ms`. Returns the number of deleted events.
pub fn delete_older(
    connection: &mut AnyConnection,
    than_ms: i64,
    limit: i64,
) -> QueryResult<usize> {
    let older: Vec<i64> = audit_events::table
        .filter(audit_events::at.lt(than_ms))
        .select(audit_events::number)
        .limit(limit)
        .load(connection)?;
    diesel::delete(audit_events::table.filter(audit_events::number.eq_any(older)))
        .execute(connection)
}
