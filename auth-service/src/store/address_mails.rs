//! The address_mails table: the mails that addresses got within a day, by MACs of the addresses.

use diesel::{prelude::*, sql_types::Text};
use uuid::Uuid;

use super::{AnyConnection, schema::address_mails, transaction::in_transaction};
use crate::domain::mail_limit::{DAY_MS, MAX_MAILS_PER_DAY, MailCounter};

/// Counts a mail, and returns `true`. Returns `false`, and does not count it, if the counter has
/// [`MAX_MAILS_PER_DAY`] mails of the last day. Until the transaction ends, other transactions that
/// count a mail of this counter wait.
pub fn count(
    connection: &mut AnyConnection,
    counter: &MailCounter,
    now_ms: i64,
) -> QueryResult<bool> {
    let MailCounter(macs) = counter;
    in_transaction(connection, |connection| {
        lock(connection, macs)?;
        let counted: i64 = address_mails::table
            .filter(address_mails::address_mac.eq_any(macs))
            .filter(address_mails::sent_at.ge(now_ms - DAY_MS))
            .count()
            .get_result(connection)?;
        if counted >= MAX_MAILS_PER_DAY {
            return Ok(false);
        }
        diesel::insert_into(address_mails::table)
            .values((
                address_mails::id.eq(Uuid::now_v7().to_string()),
                address_mails::address_mac.eq(&macs[0]),
                address_mails::sent_at.eq(now_ms),
            ))
            .execute(connection)?;
        Ok(true)
    })
}

/// Locks the MACs until the transaction ends. Replicas that disagree about the newest secret share
/// a MAC. SQLite has one writer at a time and needs no lock.
fn lock(connection: &mut AnyConnection, macs: &[String]) -> QueryResult<()> {
    let AnyConnection::Postgres(postgres) = connection else { return Ok(()) };
    // In one order, so that no two transactions wait for each other.
    let mut sorted: Vec<&String> = macs.iter().collect();
    sorted.sort_unstable();
    for mac in sorted {
        diesel::sql_query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
            .bind::<Text, _>(mac)
            .execute(postgres)?;
    }
    Ok(())
}

/// Deletes all mails of a counter.
pub fn reset(connection: &mut AnyConnection, counter: &MailCounter) -> QueryResult<()> {
    let mails = address_mails::table.filter(address_mails::address_mac.eq_any(&counter.0));
    diesel::delete(mails).execute(connection).map(drop)
}

/// Deletes up to `limit` records from before `than_ms`. Returns their number.
pub fn delete_older(
    connection: &mut AnyConnection,
    than_ms: i64,
    limit: i64,
) -> QueryResult<usize> {
    let older: Vec<String> = address_mails::table
        .filter(address_mails::sent_at.lt(than_ms))
        .select(address_mails::id)
        .limit(limit)
        .load(connection)?;
    diesel::delete(address_mails::table.filter(address_mails::id.eq_any(older))).execute(connection)
}
