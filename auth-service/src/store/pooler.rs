//! Poolers between this process and PostgreSQL, such as PgBouncer.
//!
//! A pooler in transaction mode gives each transaction any of its sessions. Nothing that belongs to
//! a session works there: prepared statements with names, `SET`, locks of a session. Each process
//! finds out by itself: it asks for a session with a setting that no pooler passes on. If the
//! session lacks the setting, or the pooler refuses it, the process uses no state of sessions.

use std::sync::{Arc, OnceLock};

use diesel::{
    Connection, ConnectionResult, PgConnection, QueryableByName, RunQueryDsl,
    connection::CacheSize,
    sql_query,
    sql_types::{Nullable, Text},
};
use uuid::Uuid;

use super::connection::ConnectError;

/// A setting that only this program uses. Its value is another one for each connection.
const MARKER: &str = "auth_service.session";

/// Start of the names that diesel gives to prepared statements.
const STATEMENT_NAME: &str = "__diesel_stmt_";

/// A pooler that connections go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooler {
    PgBouncer,
    /// A pooler that accepts all settings of a session, and does not apply them.
    Unnamed,
}

impl Pooler {
    /// Returns the name for an operator.
    pub fn name(self) -> &'static str {
        match self {
            Self::PgBouncer => "PgBouncer",
            Self::Unnamed => "a connection pooler",
        }
    }
}

/// What this process knows of the pooler. Clones share the knowledge, which lasts until the process
/// ends: what works through a pooler works without one.
#[derive(Clone, Debug, Default)]
pub struct PoolerDetection(Arc<OnceLock<Pooler>>);

#[derive(QueryableByName)]
struct MarkerRow {
    #[diesel(sql_type = Nullable<Text>)]
    marker: Option<String>,
}

impl PoolerDetection {
    /// Returns the pooler, if one is known.
    pub fn found(&self) -> Option<Pooler> {
        self.0.get().copied()
    }

    /// Opens a connection with `establish`, which takes options of a session of its own, or `None`.
    /// Returns the connection, and whether it has a session of its own.
    pub fn connect(
        &self,
        establish: impl Fn(Option<&str>) -> ConnectionResult<PgConnection>,
    ) -> Result<(PgConnection, bool), ConnectError> {
        if self.found().is_some() {
            return Ok((without_names(establish(None)?), false));
        }
        let value = Uuid::new_v4().simple().to_string();
        match establish(Some(&format!("-c {MARKER}={value}"))) {
            Ok(mut connection) => {
                if marker(&mut connection)? == Some(value) {
                    return Ok((connection, true));
                }
                self.record(Pooler::Unnamed);
                Ok((without_names(connection), false))
            }
            Err(why) => {
                let Some(pooler) = pooler_that_refuses_options(&why.to_string()) else {
                    return Err(why.into());
                };
                let connection = establish(None)?;
                self.record(pooler);
                Ok((without_names(connection), false))
            }
        }
    }

    /// Returns whether an error of a query shows for the first time that there is a pooler: it does
    /// not know a prepared statement, or knows another client's.
    pub fn is_revealed_by(&self, error: &str) -> bool {
        let is_revealed = self.found().is_none() && error.contains(STATEMENT_NAME);
        if is_revealed {
            self.record(Pooler::Unnamed);
        }
        is_revealed
    }

    fn record(&self, pooler: Pooler) {
        if self.0.set(pooler).is_ok() {
            let name = pooler.name();
            log::info!("PostgreSQL is behind {name}: each query runs in a transaction of its own");
        }
    }
}

fn without_names(mut connection: PgConnection) -> PgConnection {
    connection.set_prepared_statement_cache_size(CacheSize::Disabled);
    connection
}

fn marker(connection: &mut PgConnection) -> Result<Option<String>, ConnectError> {
    let query = sql_query(format!("SELECT current_setting('{MARKER}', true) AS marker"));
    Ok(query.get_result::<MarkerRow>(connection)?.marker)
}

/// Returns the pooler that answers with this error to options of a session. `None` for another
/// error.
fn pooler_that_refuses_options(error: &str) -> Option<Pooler> {
    let error = error.to_lowercase();
    if error.contains("unsupported startup parameter") {
        Some(Pooler::PgBouncer)
    } else if error.contains("startup parameter") || error.contains("option") {
        Some(Pooler::Unnamed)
    } else {
        None
    }
}
