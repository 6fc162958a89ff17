//! Everything that is stored about a user, except secrets: no hash, no MAC, no content of a
//! message. Times are milliseconds since the Unix epoch.

use diesel::{
    dsl::sql,
    pg::Pg,
    prelude::*,
    sql_types::{BigInt, Bool},
};

use super::{
    AnyConnection,
    schema::{audit_events, credentials, mail_users, one_time_codes, outbox, sessions, users},
};

/// A user's account.
#[derive(Clone, Debug)]
pub struct AccountRow {
    pub username: String,
    pub email: String,
    /// Id of the user in the system from which the user was imported.
    pub external_id: Option<String>,
    /// Names of scopes and of roles, separated by spaces.
    pub scope: String,
    pub roles: String,
    pub created_at: i64,
    pub disabled_at: Option<i64>,
    pub email_verified_at: Option<i64>,
    pub language: Option<String>,
}

/// A credential of the user.
#[derive(Clone, Debug, Queryable)]
pub struct CredentialRow {
    pub kind: String,
    pub label: Option<String>,
    pub created_at: i64,
    pub last_used_at: Option<i64>,
}

/// A one-time code that is neither used nor expired.
#[derive(Clone, Debug, Queryable)]
pub struct CodeRow {
    pub purpose: String,
    pub email: Option<String>,
    pub created_at: i64,
    pub expires_at: i64,
}

/// A message to the user that is not sent yet.
#[derive(Clone, Debug, Queryable)]
pub struct MessageRow {
    pub kind: String,
    pub topic: String,
    pub created_at: i64,
    pub given_up_at: Option<i64>,
}

/// A session, live or ended.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = sessions)]
pub struct SessionRow {
    pub id: String,
    pub created_at: i64,
    pub last_used_at: Option<i64>,
    pub expires_at: i64,
    pub revoked_at: Option<i64>,
    pub revoked_cause: Option<String>,
    pub user_agent: Option<String>,
    pub ip: Option<String>,
    pub amr: Option<String>,
    pub auth_time: Option<i64>,
}

/// An event of the audit trail.
#[derive(Clone, Debug, Queryable, Selectable)]
#[diesel(table_name = audit_events)]
pub struct EventRow {
    /// Orders events of the same time.
    pub number: i64,
    pub at: i64,
    pub event: String,
    pub actor: String,
    pub session_id: Option<String>,
    pub client_id: Option<String>,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
    pub detail: Option<String>,
}

/// Returns the account of a user.
pub fn account(connection: &mut AnyConnection, id: &str) -> QueryResult<Option<AccountRow>> {
    type Row = (String, String, Option<String>, String, String, i64, Option<i64>);
    let columns = (
        users::username,
        users::email,
        users::external_id,
        users::scope,
        users::roles,
        users::created_at,
        users::disabled_at,
    );
    let row: Option<Row> = users::table.find(id).select(columns).first(connection).optional()?;
    let Some(row) = row else { return Ok(None) };
    let (username, email, external_id, scope, roles, created_at, disabled_at) = row;
    let mail: Option<(Option<i64>, Option<String>)> = mail_users::table
        .find(id)
        .select((mail_users::email_verified_at, mail_users::language))
        .first(connection)
        .optional()?;
    let (email_verified_at, language) = mail.unwrap_or_default();
    Ok(Some(AccountRow {
        username,
        email,
        external_id,
        scope,
        roles,
        created_at,
        disabled_at,
        email_verified_at,
        language,
    }))
}

/// Returns the credentials of a user, the oldest first.
pub fn credentials_of(
    connection: &mut AnyConnection,
    user_id: &str,
) -> QueryResult<Vec<CredentialRow>> {
    credentials::table
        .filter(credentials::user_id.eq(user_id))
        .order(credentials::id)
        .select((
            credentials::kind,
            credentials::label,
            credentials::created_at,
            credentials::last_used_at,
        ))
        .load(connection)
}

/// Returns up to `limit` codes of a user, the oldest first.
pub fn codes_of(
    connection: &mut AnyConnection,
    user_id: &str,
    now_ms: i64,
    limit: i64,
) -> QueryResult<Vec<CodeRow>> {
    one_time_codes::table
        .filter(one_time_codes::user_id.eq(user_id))
        .filter(one_time_codes::expires_at.gt(now_ms))
        .order(one_time_codes::created_at)
        .select((
            one_time_codes::purpose,
            one_time_codes::email,
            one_time_codes::created_at,
            one_time_codes::expires_at,
        ))
        .limit(limit)
        .load(connection)
}

/// Returns up to `limit` messages to a user, the oldest first.
pub fn messages_to(
    connection: &mut AnyConnection,
    user_id: &str,
    limit: i64,
) -> QueryResult<Vec<MessageRow>> {
    outbox::table
        .filter(outbox::user_id.eq(user_id))
        .order((outbox::created_at, outbox::id))
        .select((outbox::kind, outbox::topic, outbox::created_at, outbox::given_up_at))
        .limit(limit)
        .load(connection)
}

/// Returns up to `limit` sessions of a user, ordered by id, starting after the id `after`.
pub fn sessions_of(
    connection: &mut AnyConnection,
    user_id: &str,
    after: &str,
    limit: i64,
) -> QueryResult<Vec<SessionRow>> {
    sessions::table
        .filter(sessions::user_id.eq(user_id).and(sessions::id.gt(after)))
        .order(sessions::id)
        .limit(limit)
        .select(<SessionRow as Selectable<Pg>>::construct_selection())
        .load(connection)
}

/// Returns up to `limit` events about a user until `until_ms`, the oldest first, starting after the
/// event of this time and number.
pub fn events_of(
    connection: &mut AnyConnection,
    user_id: &str,
    after: (i64, i64),
    until_ms: i64,
    limit: i64,
) -> QueryResult<Vec<EventRow>> {
    // A comparison of rows uses the index.
    let is_after = sql::<Bool>("(at, number) > (").bind::<BigInt, _>(after.0).sql(", ");
    audit_events::table
        .filter(audit_events::user_id.eq(user_id).and(audit_events::at.le(until_ms)))
        .filter(is_after.bind::<BigInt, _>(after.1).sql(")"))
        .order((audit_events::at, audit_events::number))
        .limit(limit)
        .select(<EventRow as Selectable<Pg>>::construct_selection())
        .load(connection)
}
