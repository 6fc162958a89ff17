//! The outbox table: messages that are still to be sent, claimed by one replica at a time.

use diesel::{pg::Pg, prelude::*, sql_types::BigInt};

use super::{AnyConnection, address_mails, schema::outbox, transaction::in_transaction};
use crate::domain::mail_limit::MailCounter;

/// A message to be inserted.
#[derive(Clone, Debug, Insertable)]
#[diesel(table_name = outbox)]
pub struct NewMessage {
    pub id: String,
    pub kind: &'static str,
    pub topic: &'static str,
    pub user_id: Option<String>,
    /// The content, sealed.
    pub sealed: String,
    pub created_at: i64,
    /// Earliest time of the first attempt, in milliseconds since the Unix epoch.
    pub due_at: i64,
    /// Counter of a mail that is limited.
    #[diesel(skip_insertion)]
    pub counter: Option<MailCounter>,
}

/// A message in the outbox.
#[derive(Clone, Debug, Eq, PartialEq, Queryable, QueryableByName, Selectable)]
#[diesel(table_name = outbox)]
pub struct Message {
    pub id: String,
    pub kind: String,
    pub topic: String,
    pub user_id: Option<String>,
    /// The content, sealed.
    pub sealed: String,
    /// Milliseconds since the Unix epoch, like the other times.
    pub created_at: i64,
    /// Time of the next attempt, or end of the lease of the replica that makes the present attempt.
    pub due_at: i64,
    pub attempts: i64,
    pub last_error: Option<String>,
    /// Time since when no further attempt is made.
    pub given_up_at: Option<i64>,
}

/// State of the outbox, for the metrics.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Backlog {
    /// Number of messages that are still to be sent.
    pub pending: i64,
    /// When the oldest of them was created, in milliseconds since the Unix epoch.
    pub oldest_at_ms: Option<i64>,
}

/// Inserts a message, unless its counter has reached the limit. Returns whether it did.
pub fn insert(connection: &mut AnyConnection, message: &NewMessage) -> QueryResult<bool> {
    let Some(counter) = &message.counter else { return insert_row(connection, message) };
    in_transaction(connection, |connection| {
        match address_mails::count(connection, counter, message.created_at)? {
            true => insert_row(connection, message),
            false => Ok(false),
        }
    })
}

fn insert_row(connection: &mut AnyConnection, message: &NewMessage) -> QueryResult<bool> {
    diesel::insert_into(outbox::table)
        .values(message)
        .execute(connection)
        .map(|inserted| inserted > 0)
}

/// Claims up to `limit` messages that are due, until `lease_end_ms`. No other replica claims them
/// before that time.
pub fn claim(
    connection: &mut AnyConnection,
    now_ms: i64,
    lease_end_ms: i64,
    limit: i64,
) -> QueryResult<Vec<Message>> {
    match connection {
        AnyConnection::Postgres(postgres) => diesel::sql_query(
            "UPDATE outbox SET due_at = $2, attempts = attempts + 1 WHERE id IN (
                 SELECT id FROM outbox WHERE due_at <= $1 AND given_up_at IS NULL
                 ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
             ) RETURNING *",
        )
        .bind::<BigInt, _>(now_ms)
        .bind::<BigInt, _>(lease_end_ms)
        .bind::<BigInt, _>(limit)
        .load(postgres),
        AnyConnection::Sqlite(_) => in_transaction(connection, |connection| {
            let due: Vec<String> = outbox::table
                .filter(outbox::due_at.le(now_ms).and(outbox::given_up_at.is_null()))
                .order(outbox::due_at)
                .limit(limit)
                .select(outbox::id)
                .load(connection)?;
            diesel::update(outbox::table.filter(outbox::id.eq_any(&due)))
                .set((outbox::due_at.eq(lease_end_ms), outbox::attempts.eq(outbox::attempts + 1)))
                .execute(connection)?;
            outbox::table.filter(outbox::id.eq_any(&due)).select(message_columns()).load(connection)
        }),
    }
}

/// Deletes a message that was sent. Does so whichever replica claims the message now.
pub fn delete_sent(connection: &mut AnyConnection, id: &str) -> QueryResult<()> {
    diesel::delete(outbox::table.find(id)).execute(connection).map(drop)
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
    diesel::update(outbox::table.find(id).filter(outbox::attempts.eq(attempts)))
        .set((outbox::due_at.eq(due_at_ms), outbox::last_error.eq(why)))
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
    diesel::update(outbox::table.find(id).filter(outbox::attempts.eq(attempts)))
        .set((outbox::given_up_at.eq(at_ms), outbox::last_error.eq(why)))
        .execute(connection)
        .map(|changed| changed > 0)
}

/// Makes a message due now, even if it was given up. The time until it is given up starts anew.
/// Returns whether there is such a message.
pub fn retry(connection: &mut AnyConnection, id: &str, now_ms: i64) -> QueryResult<bool> {
    let message = outbox::table.find(id);
    let due = diesel::update(message).set(due_anew(now_ms)).execute(connection)?;
    Ok(due > 0)
}

/// Makes all messages that were given up due now. Returns their number.
pub fn retry_given_up(connection: &mut AnyConnection, now_ms: i64) -> QueryResult<usize> {
    let given_up = outbox::table.filter(outbox::given_up_at.is_not_null());
    diesel::update(given_up).set(due_anew(now_ms)).execute(connection)
}

/// The changes of a message that starts anew.
#[derive(AsChangeset)]
#[diesel(table_name = outbox, treat_none_as_null = true)]
struct DueAnew {
    due_at: i64,
    created_at: i64,
    given_up_at: Option<i64>,
}

fn due_anew(now_ms: i64) -> DueAnew {
    DueAnew { due_at: now_ms, created_at: now_ms, given_up_at: None }
}

/// Returns up to `limit` messages, oldest first.
pub fn list(connection: &mut AnyConnection, limit: i64) -> QueryResult<Vec<Message>> {
    outbox::table
        .order((outbox::created_at, outbox::id))
        .limit(limit)
        .select(message_columns())
        .load(connection)
}

pub fn find(connection: &mut AnyConnection, id: &str) -> QueryResult<Option<Message>> {
    outbox::table.find(id).select(message_columns()).first(connection).optional()
}

/// Returns the state of the outbox.
pub fn backlog(connection: &mut AnyConnection) -> QueryResult<Backlog> {
    let (pending, oldest_at_ms) = outbox::table
        .filter(outbox::given_up_at.is_null())
        .select((diesel::dsl::count_star(), diesel::dsl::min(outbox::created_at)))
        .first(connection)?;
    Ok(Backlog { pending, oldest_at_ms })
}

/// Deletes up to `limit` messages that were given up before `than_ms`. Returns their number.
pub fn delete_given_up(
    connection: &mut AnyConnection,
    than_ms: i64,
    limit: i64,
) -> QueryResult<usize> {
    let old: Vec<String> = outbox::table
        .filter(outbox::given_up_at.lt(than_ms))
        .select(outbox::id)
        .limit(limit)
        .load(connection)?;
    diesel::delete(outbox::table.filter(outbox::id.eq_any(old))).execute(connection)
}

/// Deletes the messages to a user that were given up.
pub(super) fn delete_given_up_of(connection: &mut AnyConnection, user_id: &str) -> QueryResult<()> {
    let of_user = outbox::table.filter(outbox::user_id.eq(user_id));
    diesel::delete(of_user.filter(outbox::given_up_at.is_not_null())).execute(connection).map(drop)
}

/// Returns the columns of a message, in the order of the fields of [`Message`].
fn message_columns() -> <Message as Selectable<Pg>>::SelectExpression {
    <Message as Selectable<Pg>>::construct_selection()
}
