//! The webhook_messages table: messages to receivers of webhooks, each claimed by one replica at a
//! time. A message that was sent is kept for a while, so that an operator can send it again.

use std::collections::HashSet;

use diesel::{
    dsl::sql,
    pg::Pg,
    prelude::*,
    sql_types::{BigInt, Bool, Nullable, Text},
};

use super::{
    AnyConnection,
    schema::{webhook_messages, webhooks},
    transaction::in_transaction,
};

/// A message to be inserted.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = webhook_messages)]
pub struct NewMessage {
    pub id: String,
    pub webhook_id: String,
    pub event: &'static str,
    /// The body, sealed.
    pub sealed: String,
    pub created_at: i64,
    /// Earliest time of the first attempt, in milliseconds since the Unix epoch.
    pub due_at: i64,
}

/// A message to a receiver.
#[derive(Clone, Debug, Eq, PartialEq, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = webhook_messages)]
pub struct Message {
    pub id: String,
    pub webhook_id: String,
    pub event: String,
    /// The body, sealed.
    pub sealed: String,
    /// Milliseconds since the Unix epoch, like the other times. An operator who sends the message
    /// again sets it anew.
    pub created_at: i64,
    /// Time of the next attempt, or end of the lease of the replica that makes the present attempt.
    pub due_at: i64,
    pub attempts: i64,
    pub last_error: Option<String>,
    pub sent_at: Option<i64>,
    /// Time since when no further attempt is made.
    pub given_up_at: Option<i64>,
}

/// Which messages to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub webhook_id: Option<String>,
    /// Whether messages that were sent are left out.
    pub unsent_only: bool,
}

/// Number of messages of a receiver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Messages that are still to be sent.
    pub pending: i64,
    pub given_up: i64,
}

fn columns() -> <Message as Selectable<Pg>>::SelectExpression {
    <Message as Selectable<Pg>>::construct_selection()
}

/// Inserts a message.
pub fn insert(connection: &mut AnyConnection, message: &NewMessage) -> QueryResult<()> {
    diesel::insert_into(webhook_messages::table).values(message).execute(connection).map(drop)
}

/// Claims up to `limit` messages of a receiver that are due, until `lease_end_ms`. No other replica
/// claims them before that time.
pub fn claim(
    connection: &mut AnyConnection,
    webhook_id: &str,
    now_ms: i64,
    lease_end_ms: i64,
    limit: i64,
) -> QueryResult<Vec<Message>> {
    match connection {
        AnyConnection::Postgres(postgres) => diesel::sql_query(
            "UPDATE webhook_messages SET due_at = $3, attempts = attempts + 1 WHERE id IN (
                 SELECT id FROM webhook_messages WHERE webhook_id = $1 AND due_at <= $2
                 AND sent_at IS NULL AND given_up_at IS NULL
                 ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED
             ) RETURNING *",
        )
        .bind::<Text, _>(webhook_id)
        .bind::<BigInt, _>(now_ms)
        .bind::<BigInt, _>(lease_end_ms)
        .bind::<BigInt, _>(limit)
        .load(postgres),
        AnyConnection::Sqlite(_) => {
            let due = webhook_messages::table
                .filter(webhook_messages::webhook_id.eq(webhook_id))
                .filter(webhook_messages::due_at.le(now_ms))
                .filter(webhook_messages::sent_at.is_null())
                .filter(webhook_messages::given_up_at.is_null())
                .order(webhook_messages::due_at)
                .limit(limit)
                .select(webhook_messages::id);
            // Without a message that is due, nothing is written.
            let ids: Vec<String> = due.load(connection)?;
            if ids.is_empty() {
                return Ok(Vec::new());
            }
            in_transaction(connection, |connection| {
                claim_in_sqlite(connection, now_ms, lease_end_ms, &ids)
            })
        }
    }
}

fn claim_in_sqlite(
    connection: &mut AnyConnection,
    now_ms: i64,
    lease_end_ms: i64,
    ids: &[String],
) -> QueryResult<Vec<Message>> {
    let is_due = webhook_messages::id.eq_any(ids).and(webhook_messages::due_at.le(now_ms));
    let due: Vec<String> =
        webhook_messages::table.filter(is_due).select(webhook_messages::id).load(connection)?;
    let claimed = webhook_messages::table.filter(webhook_messages::id.eq_any(&due));
    diesel::update(claimed)
        .set((
            webhook_messages::due_at.eq(lease_end_ms),
            webhook_messages::attempts.eq(webhook_messages::attempts + 1),
        ))
        .execute(connection)?;
    let claimed = webhook_messages::table.filter(webhook_messages::id.eq_any(&due));
    claimed.select(columns()).load(connection)
}

/// Records that a message was sent. Does so whichever replica claims the message now.
pub fn record_sent(connection: &mut AnyConnection, id: &str, at_ms: i64) -> QueryResult<()> {
    diesel::update(webhook_messages::table.find(id))
        .set((webhook_messages::sent_at.eq(at_ms), webhook_messages::last_error.eq(None::<String>)))
        .execute(connection)
        .map(drop)
}

/// Records that attempt number `attempts` failed, and schedules the next attempt. Changes nothing
/// if another attempt has begun since.
pub fn reschedule(
    connection: &mut AnyConnection,
    id: &str,
    attempts: i64,
    due_at_ms: i64,
    why: &str,
) -> QueryResult<bool> {
    let attempt = webhook_messages::table.find(id).filter(webhook_messages::attempts.eq(attempts));
    diesel::update(attempt)
        .set((webhook_messages::due_at.eq(due_at_ms), webhook_messages::last_error.eq(why)))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Records that attempt number `attempts` failed, and that no further attempt is made. Changes
/// nothing if another attempt has begun since.
pub fn give_up(
    connection: &mut AnyConnection,
    id: &str,
    attempts: i64,
    at_ms: i64,
    why: &str,
) -> QueryResult<bool> {
    let attempt = webhook_messages::table.find(id).filter(webhook_messages::attempts.eq(attempts));
    diesel::update(attempt)
        .set((webhook_messages::given_up_at.eq(at_ms), webhook_messages::last_error.eq(why)))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Why a message was given up that was not attempted any more. The reason of the last failure stays.
const REASON_OF_AGE: &str = "COALESCE(last_error, 'older than WEBHOOK_GIVE_UP')";

/// Returns whether a message of a receiver has been due since before `than_ms`.
pub fn is_any_overdue(
    connection: &mut AnyConnection,
    webhook_id: &str,
    than_ms: i64,
) -> QueryResult<bool> {
    let overdue: Option<String> = webhook_messages::table
        .filter(webhook_messages::webhook_id.eq(webhook_id))
        .filter(webhook_messages::due_at.lt(than_ms))
        .filter(webhook_messages::sent_at.is_null())
        .filter(webhook_messages::given_up_at.is_null())
        .select(webhook_messages::id)
        .first(connection)
        .optional()?;
    Ok(overdue.is_some())
}

/// Records for up to `limit` messages of a receiver that have been due since before `than_ms` that
/// no further attempt is made, the oldest first. Returns their number.
pub fn give_up_overdue(
    connection: &mut AnyConnection,
    webhook_id: &str,
    than_ms: i64,
    now_ms: i64,
    limit: i64,
) -> QueryResult<usize> {
    match connection {
        AnyConnection::Postgres(postgres) => diesel::sql_query(format!(
            "UPDATE webhook_messages SET given_up_at = $3, last_error = {REASON_OF_AGE}
             WHERE id IN (
                 SELECT id FROM webhook_messages WHERE webhook_id = $1 AND due_at < $2
                 AND sent_at IS NULL AND given_up_at IS NULL
                 ORDER BY due_at LIMIT $4 FOR UPDATE SKIP LOCKED
             )"
        ))
        .bind::<Text, _>(webhook_id)
        .bind::<BigInt, _>(than_ms)
        .bind::<BigInt, _>(now_ms)
        .bind::<BigInt, _>(limit)
        .execute(postgres),
        AnyConnection::Sqlite(_) => {
            let overdue: Vec<String> = webhook_messages::table
                .filter(webhook_messages::webhook_id.eq(webhook_id))
                .filter(webhook_messages::due_at.lt(than_ms))
                .filter(webhook_messages::sent_at.is_null())
                .filter(webhook_messages::given_up_at.is_null())
                .order(webhook_messages::due_at)
                .limit(limit)
                .select(webhook_messages::id)
                .load(connection)?;
            diesel::update(webhook_messages::table.filter(webhook_messages::id.eq_any(overdue)))
                .set((
                    webhook_messages::given_up_at.eq(now_ms),
                    webhook_messages::last_error.eq(sql::<Nullable<Text>>(REASON_OF_AGE)),
                ))
                .execute(connection)
        }
    }
}

/// Condition that the receiver of a message exists. The cleanup deletes the messages of a receiver
/// after the receiver was removed.
const HAS_RECEIVER: &str =
    "EXISTS (SELECT 1 FROM webhooks WHERE webhooks.id = webhook_messages.webhook_id)";

/// The changes of a message that is sent again.
#[derive(AsChangeset)]
#[diesel(table_name = webhook_messages, treat_none_as_null = true)]
struct DueAnew {
    due_at: i64,
    created_at: i64,
    sent_at: Option<i64>,
    given_up_at: Option<i64>,
}

fn due_anew(now_ms: i64) -> DueAnew {
    DueAnew { due_at: now_ms, created_at: now_ms, sent_at: None, given_up_at: None }
}

/// Makes a message due now, also if it was sent or given up. The time until it is given up starts
/// anew. Returns whether there is such a message to a receiver that exists.
pub fn replay(connection: &mut AnyConnection, id: &str, now_ms: i64) -> QueryResult<bool> {
    diesel::update(webhook_messages::table.find(id).filter(sql::<Bool>(HAS_RECEIVER)))
        .set(due_anew(now_ms))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Makes all messages of a receiver that were given up due now. Returns their number.
pub fn replay_given_up(
    connection: &mut AnyConnection,
    webhook_id: &str,
    now_ms: i64,
) -> QueryResult<usize> {
    let given_up = webhook_messages::table
        .filter(webhook_messages::webhook_id.eq(webhook_id))
        .filter(webhook_messages::given_up_at.is_not_null());
    diesel::update(given_up).set(due_anew(now_ms)).execute(connection)
}

/// Returns up to `limit` messages to receivers that exist, the newest first.
pub fn list(
    connection: &mut AnyConnection,
    filter: &Filter,
    limit: i64,
) -> QueryResult<Vec<Message>> {
    let mut query = webhook_messages::table.select(columns()).into_boxed();
    query = query.filter(sql::<Bool>(HAS_RECEIVER));
    if let Some(id) = &filter.webhook_id {
        query = query.filter(webhook_messages::webhook_id.eq(id));
    }
    if filter.unsent_only {
        query = query.filter(webhook_messages::sent_at.is_null());
    }
    query
        .order((webhook_messages::created_at.desc(), webhook_messages::id.desc()))
        .limit(limit)
        .load(connection)
}

/// Returns the number of messages of a receiver that were not sent.
pub fn counts(connection: &mut AnyConnection, webhook_id: &str) -> QueryResult<Counts> {
    let unsent = webhook_messages::table
        .filter(webhook_messages::webhook_id.eq(webhook_id))
        .filter(webhook_messages::sent_at.is_null());
    let given_up = unsent.filter(webhook_messages::given_up_at.is_not_null());
    let given_up: i64 = given_up.count().get_result(connection)?;
    let all: i64 = unsent.count().get_result(connection)?;
    Ok(Counts { pending: all - given_up, given_up })
}

/// Deletes up to `limit` messages that were sent or given up before `than_ms`. Returns their
/// number.
pub fn delete_older(
    connection: &mut AnyConnection,
    than_ms: i64,
    limit: i64,
) -> QueryResult<usize> {
    let is_old =
        webhook_messages::sent_at.lt(than_ms).or(webhook_messages::given_up_at.lt(than_ms));
    let old: Vec<String> = webhook_messages::table
        .filter(is_old)
        .select(webhook_messages::id)
        .limit(limit)
        .load(connection)?;
    diesel::delete(webhook_messages::table.filter(webhook_messages::id.eq_any(old)))
        .execute(connection)
}

/// A part of all messages, in the order of their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OrphanPage {
    /// Ids of the messages in this part whose receiver does not exist.
    pub orphans: Vec<String>,
    /// Id of the last message of this part. `None` if no message follows.
    pub last: Option<String>,
}

/// Searches the `limit` messages after the id `after` for messages whose receiver does not exist.
pub fn orphans(connection: &mut AnyConnection, after: &str, limit: i64) -> QueryResult<OrphanPage> {
    let rows: Vec<(String, String)> = webhook_messages::table
        .filter(webhook_messages::id.gt(after))
        .order(webhook_messages::id)
        .limit(limit)
        .select((webhook_messages::id, webhook_messages::webhook_id))
        .load(connection)?;
    let is_last_page = (rows.len() as i64) < limit;
    let last = rows.last().filter(|_| !is_last_page).map(|(id, _)| id.clone());
    // Read after the messages: a receiver is older than its first message.
    let receivers: HashSet<String> =
        webhooks::table.select(webhooks::id).load::<String>(connection)?.into_iter().collect();
    let orphans = rows.into_iter().filter(|(_, webhook_id)| !receivers.contains(webhook_id));
    Ok(OrphanPage { orphans: orphans.map(|(id, _)| id).collect(), last })
}

/// Deletes the messages with these ids. Returns their number.
pub fn delete(connection: &mut AnyConnection, ids: &[String]) -> QueryResult<usize> {
    diesel::delete(webhook_messages::table.filter(webhook_messages::id.eq_any(ids)))
        .execute(connection)
}
