//! The invitations table. It holds a MAC of each code, not the code.

use diesel::{pg::Pg, prelude::*};

use super::{AnyConnection, schema::invitations, transaction::in_transaction};

/// An invitation to register an address. Times are milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Insertable, Queryable, Selectable)]
#[diesel(table_name = invitations)]
pub struct Invitation {
    pub mac: String,
    /// The address as the operator wrote it.
    pub email: String,
    /// The address in the form in which it is unique.
    pub folded_email: String,
    /// Names of scopes and of roles, separated by spaces.
    pub scope: String,
    pub roles: String,
    /// When the code was mailed. `None` if it was printed for the operator.
    pub mailed_at: Option<i64>,
    pub created_at: i64,
    pub expires_at: i64,
}

/// Inserts an invitation, and deletes earlier ones for the same address.
pub fn replace(connection: &mut AnyConnection, new: &Invitation) -> QueryResult<()> {
    in_transaction(connection, |connection| {
        delete(connection, &new.folded_email)?;
        diesel::insert_into(invitations::table).values(new).execute(connection).map(drop)
    })
}

/// Returns the invitation that has one of these MACs, one for each secret in use, and has not
/// expired. Locks it until the transaction ends: of several uses at once, the first deletes it, and
/// the others do not find it.
pub fn lock(
    connection: &mut AnyConnection,
    macs: &[String],
    now_ms: i64,
) -> QueryResult<Option<Invitation>> {
    if let AnyConnection::Postgres(postgres) = connection {
        let rows = invitations::table.filter(invitations::mac.eq_any(macs));
        rows.select(invitations::mac).for_update().execute(postgres)?;
    }
    find(connection, macs, now_ms)
}

/// As [`lock`], without the lock.
pub fn find(
    connection: &mut AnyConnection,
    macs: &[String],
    now_ms: i64,
) -> QueryResult<Option<Invitation>> {
    invitations::table
        .filter(invitations::mac.eq_any(macs))
        .filter(invitations::expires_at.gt(now_ms))
        .select(columns())
        .first(connection)
        .optional()
}

/// Deletes the invitations for an address. Returns whether there was one.
pub fn delete(connection: &mut AnyConnection, folded_email: &str) -> QueryResult<bool> {
    let rows = invitations::table.filter(invitations::folded_email.eq(folded_email));
    diesel::delete(rows).execute(connection).map(|deleted| deleted > 0)
}

/// Returns up to `limit` invitations that have not expired, ordered by address, starting after the
/// address `after`.
pub fn list(
    connection: &mut AnyConnection,
    after: Option<&str>,
    now_ms: i64,
    limit: i64,
) -> QueryResult<Vec<Invitation>> {
    let after = after.unwrap_or_default();
    invitations::table
        .filter(invitations::expires_at.gt(now_ms))
        .filter(invitations::folded_email.gt(after))
        .order(invitations::folded_email)
        .limit(limit)
        .select(columns())
        .load(connection)
}

/// Deletes up to `limit` invitations that expired before `than_ms`.
pub fn delete_expired(
    connection: &mut AnyConnection,
    than_ms: i64,
    limit: i64,
) -> QueryResult<usize> {
    let expired: Vec<String> = invitations::table
        .filter(invitations::expires_at.lt(than_ms))
        .select(invitations::mac)
        .limit(limit)
        .load(connection)?;
    diesel::delete(invitations::table.filter(invitations::mac.eq_any(expired))).execute(connection)
}

/// Returns the columns of an invitation, in the order of the fields of [`Invitation`].
fn columns() -> <Invitation as Selectable<Pg>>::SelectExpression {
    <Invitation as Selectable<Pg>>::construct_selection()
}
