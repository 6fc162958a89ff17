//! A separate database for each test, on the PostgreSQL that all tests share.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
};

use diesel::{Connection, PgConnection, RunQueryDsl, sql_query};

use crate::{setting, unique, wait_until};

/// Runs a statement on the database at this URL. Returns the number of rows changed or found.
pub fn sql(url: &str, statement: &str) -> usize {
    let mut connection = PgConnection::establish(url).expect("PostgreSQL");
    sql_query(statement).execute(&mut connection).expect(statement)
}

/// Takes the lock under which auth-service migrates its schema, like a process that is migrating.
/// The lock is held until the returned connection is dropped.
pub fn hold_migration_lock(url: &str) -> PgConnection {
    let mut connection = PgConnection::establish(url).expect("PostgreSQL");
    let lock = sql_query("SELECT pg_advisory_lock(x'617574686d696772'::bigint)");
    lock.execute(&mut connection).expect("the lock");
    connection
}

/// Waits until this many connections wait for a lock in the database at this URL.
pub async fn wait_for_lock_waiters(url: &str, count: usize) {
    let waiting = "SELECT 1 FROM pg_stat_activity
        WHERE wait_event_type = 'Lock' AND datname = current_database()";
    wait_until(format!("{count} connections wait for a lock"), async || {
        let found = sql(url, waiting);
        if found >= count { Ok(()) } else { Err(format!("{found} connections wait")) }
    })
    .await;
}

/// An empty database that is dropped when the test ends.
pub struct TestDatabase {
    server: String,
    name: String,
}

impl TestDatabase {
    /// Creates a database.
    pub fn create() -> Self {
        Self::create_with("")
    }

    /// Creates a database with these options of `CREATE DATABASE`.
    pub fn create_with(options: &str) -> Self {
        let url = setting("TEST_DATABASE_URL");
        let (server, _) = url.rsplit_once('/').expect("a URL with a database");
        let database = Self { server: server.to_owned(), name: unique("test_") };
        sql(&url, &format!("CREATE DATABASE {} {options}", database.name));
        database
    }

    /// Creates a database with the schema that `migrate` makes in an empty one, given its URL. The
    /// first test on a server with these migrations runs `migrate`; the others copy the outcome.
    pub fn migrated(migrate: impl FnOnce(&str)) -> Self {
        let url = setting("TEST_DATABASE_URL");
        let (server, _) = url.rsplit_once('/').expect("a URL with a database");
        let template = format!("template_{:016x}", hash_of_migrations());
        let mut connection = PgConnection::establish(&url).expect("PostgreSQL");
        let mut run =
            |statement: &str| sql_query(statement).execute(&mut connection).expect(statement);
        // One test at a time looks for the template and makes it.
        run("SELECT pg_advisory_lock(x'74656d706c617465'::bigint)");
        if run(&format!("SELECT 1 FROM pg_database WHERE datname = '{template}'")) == 0 {
            let unfinished = unique("test_");
            run(&format!("CREATE DATABASE {unfinished}"));
            migrate(&format!("{server}/{unfinished}"));
            run(&format!("ALTER DATABASE {unfinished} RENAME TO {template}"));
        }
        run("SELECT pg_advisory_unlock(x'74656d706c617465'::bigint)");
        Self::create_with(&format!("TEMPLATE {template}"))
    }

    /// Returns the URL of the database.
    pub fn url(&self) -> String {
        format!("{}/{}", self.server, self.name)
    }

    /// Returns the URL of the database through a proxy at this address.
    pub fn url_via(&self, addr: std::net::SocketAddr) -> String {
        let credentials = self.server.split_once('@').map_or("", |(start, _)| start);
        format!("{credentials}@{addr}/{}", self.name)
    }

    /// Returns the address of the server.
    pub fn server_addr(&self) -> String {
        self.server.rsplit_once('@').map_or(self.server.as_str(), |(_, addr)| addr).to_owned()
    }
}

/// Returns a number that differs for other migrations.
fn hash_of_migrations() -> u64 {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../migrations/postgres");
    let entries = fs::read_dir(folder).expect("the migrations");
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let mut hasher = DefaultHasher::new();
    for folder in folders {
        fs::read(folder.join("up.sql")).expect("a migration").hash(&mut hasher);
    }
    hasher.finish()
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let statement = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        sql(&setting("TEST_DATABASE_URL"), &statement);
    }
}
