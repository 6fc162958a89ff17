//! Work in a transaction.

use diesel::{
    Connection, QueryResult, RunQueryDsl,
    connection::{AnsiTransactionManager, TransactionManager},
    result::{DatabaseErrorKind, Error as DieselError},
};

use super::AnyConnection;

type Transactions = <AnyConnection as Connection>::TransactionManager;

/// Number of the advisory lock of [`with_cleanup_lock`].
const CLEANUP_LOCK: i64 = 0x6175_7468_636c_6561;

#[derive(diesel::QueryableByName)]
struct LockRow {
    #[diesel(sql_type = diesel::sql_types::Bool)]
    locked: bool,
}

/// Runs `work` in a transaction, or in a savepoint of the transaction that has begun already.
///
/// SQLite's write lock is taken at the start. Otherwise, of two transactions that first read and
/// then write, one would fail.
pub fn in_transaction<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    let depth = Transactions::transaction_manager_status_mut(connection).transaction_depth()?;
    match connection {
        AnyConnection::Sqlite(sqlite) if depth.is_none() => {
            AnsiTransactionManager::begin_transaction_sql(sqlite, "BEGIN IMMEDIATE")?;
        }
        _ => Transactions::begin_transaction(connection)?,
    }
    complete(connection, work)
}

/// Runs `work` in a transaction that the statements `begin` begin on PostgreSQL.
pub fn in_transaction_begun_by<T>(
    connection: &mut AnyConnection,
    begin: &str,
    work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    let AnyConnection::Postgres(postgres) = connection else {
        return in_transaction(connection, work);
    };
    AnsiTransactionManager::begin_transaction_sql(postgres, begin)?;
    complete(connection, work)
}

/// Runs `work` in the transaction that has begun, and ends the transaction.
fn complete<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
) -> QueryResult<T> {
    match work(connection) {
        Ok(answer) => Transactions::commit_transaction(connection).map(|()| answer),
        Err(why) => {
            // If the rollback fails, the next statement of the connection fails too.
            let _ = Transactions::rollback_transaction(connection);
            Err(why)
        }
    }
}

/// Runs `work` in a transaction, unless another process runs such a transaction. Returns `None` if
/// another process does.
pub fn with_cleanup_lock<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> QueryResult<T>,
) -> QueryResult<Option<T>> {
    in_transaction(connection, |connection| {
        if let AnyConnection::Postgres(postgres) = connection {
            let lock = format!("SELECT pg_try_advisory_xact_lock({CLEANUP_LOCK}) AS locked");
            if !diesel::sql_query(lock).get_result::<LockRow>(postgres)?.locked {
                return Ok(None);
            }
        }
        work(connection).map(Some)
    })
}

/// Inserts or changes a row with a unique key. Returns `false` if another row has the key, or if
/// the work asks for a rollback; a transaction that has begun already continues.
pub fn insert_unless_exists(
    connection: &mut AnyConnection,
    insert: impl FnOnce(&mut AnyConnection) -> QueryResult<usize>,
) -> QueryResult<bool> {
    match in_transaction(connection, insert) {
        Ok(_) => Ok(true),
        Err(
            DieselError::DatabaseError(DatabaseErrorKind::UniqueViolation, _)
            | DieselError::RollbackTransaction,
        ) => Ok(false),
        Err(why) => Err(why),
    }
}
