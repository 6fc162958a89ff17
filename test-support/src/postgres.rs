//! A PostgreSQL database of a test's own.

use std::time::{Duration, Instant};

use diesel::{Connection, PgConnection, RunQueryDsl, sql_query};

use crate::{setting, unique};

/// Runs a statement on the database at this URL. Says how many rows it has changed or found.
pub fn sql(url: &str, statement: &str) -> usize {
    let mut connection = PgConnection::establish(url).expect("PostgreSQL");
    sql_query(statement).execute(&mut connection).expect(statement)
}

/// Holds the lock under which auth-service migrates its schema, as a process does that is at it, until it is dropped.
pub fn hold_migration_lock(url: &str) -> PgConnection {
    let mut connection = PgConnection::establish(url).expect("PostgreSQL");
    let lock = sql_query("SELECT pg_advisory_lock(x'617574686d696772'::bigint)");
    lock.execute(&mut connection).expect("the lock");
    connection
}

/// Waits until so many wait for a lock in the database at this URL.
pub async fn until_waiting(url: &str, count: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let waiting =
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()";
    while sql(url, waiting) < count {
        assert!(Instant::now() < deadline, "nobody waits");
        tokio::task::yield_now().await;
    }
}

/// An empty database, dropped when the test ends.
pub struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    /// Makes one.
    pub fn create() -> Self {
        let (server, _) =
            setting("TEST_DATABASE_URL").rsplit_once('/').map(|(a, b)| (a.to_owned(), b.to_owned())).unwrap();
        let database = Self { server, name: unique("test_") };
        database.admin(&format!("CREATE DATABASE {}", database.name));
        database
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// Its URL by way of a proxy at this address.
    pub fn url_via(&self, addr: std::net::SocketAddr) -> String {
        let credentials = self.server.split_once('@').map_or("", |(start, _)| start);
        format!("{credentials}@{addr}/{}", self.name)
    }

    /// The server's address.
    pub fn server_addr(&self) -> String {
        self.server.rsplit_once('@').map_or(self.server.as_str(), |(_, addr)| addr).to_owned()
    }

    fn admin(&self, statement: &str) {
        sql(&setting("TEST_DATABASE_URL"), statement);
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.admin(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}
