//! A separate database for each test.

use std::time::Duration;

use diesel::{QueryResult, RunQueryDsl};
use shared::claims::SessionId;
use test_support::{TempDir, TestDatabase, sql, temp_dir};
use uuid::Uuid;

use crate::{
    credentials::PasswordHash,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        email::Email,
        session::{EndCause, Origin},
        username::Username,
    },
    store::{
        AnyConnection, ConnectionString, Database, Recorder, Store, StoreError,
        credentials::StoredPassword,
        sessions::{self, LoginRecords, NewSession, Revoked},
        users::{self, InsertOutcome, NewUser, PasswordChange, User, UserKey},
    },
};

/// The time by the clock of each test.
pub const NOW: i64 = 1_700_000_000_000;

/// Defines a module for each database with these tests, each of which takes a [`Fixture`].
macro_rules! run_on_both_databases {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(
                #[actix_web::test]
                async fn $test() {
                    super::$test(super::Fixture::sqlite().await).await;
                }
            )+
        }

        mod postgres {
            $(
                #[actix_web::test]
                async fn $test() {
                    super::$test(super::Fixture::postgres().await).await;
                }
            )+
        }
    };
}
pub(super) use run_on_both_databases;

#[derive(diesel::QueryableByName)]
struct NumberRow {
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    number: i64,
}

/// A migrated database, and the store that reaches it.
pub struct Fixture {
    pub database: Database,
    pub store: Store,
    pub postgres: Option<TestDatabase>,
    _folder: TempDir,
}

/// Returns a store that reaches `database`.
pub fn store(database: &Database) -> Store {
    Store::new(database.clone(), 4, Duration::from_secs(5))
}

impl Fixture {
    pub async fn sqlite() -> Self {
        let it = Self::empty_sqlite();
        it.store.migrate().await.unwrap();
        it
    }

    pub async fn postgres() -> Self {
        let it = Self::empty_postgres();
        it.store.migrate().await.unwrap();
        it
    }

    /// Returns a SQLite database without tables.
    pub fn empty_sqlite() -> Self {
        let folder = temp_dir();
        let database = Database::Sqlite(folder.path().join("db"));
        Self { store: store(&database), database, postgres: None, _folder: folder }
    }

    /// Returns a PostgreSQL database without tables. Its default isolation level is not the one
    /// that the locks assume.
    pub fn empty_postgres() -> Self {
        let postgres = TestDatabase::create();
        let isolate = "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I \
             SET default_transaction_isolation = ''repeatable read''', current_database()); END $$";
        sql(&postgres.url(), isolate);
        let database = Database::postgres(&ConnectionString::parse(&postgres.url()).unwrap());
        Self { store: store(&database), database, postgres: Some(postgres), _folder: temp_dir() }
    }

    /// Runs a query that must succeed.
    pub async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut AnyConnection) -> QueryResult<T> + Send + 'static,
    ) -> T {
        self.store.run(query).await.unwrap()
    }

    /// Executes an SQL statement.
    pub async fn sql(&self, statement: String) {
        self.run(move |connection| diesel::sql_query(statement).execute(connection)).await;
    }

    /// Returns the column `number` of the row that an SQL query returns.
    pub async fn number(&self, query: &str) -> i64 {
        let query = query.to_owned();
        let read = move |connection: &mut AnyConnection| {
            let query = diesel::sql_query(query);
            match connection {
                AnyConnection::Postgres(postgres) => query.get_result::<NumberRow>(postgres),
                AnyConnection::Sqlite(sqlite) => query.get_result::<NumberRow>(sqlite),
            }
        };
        self.run(read).await.number
    }

    /// Inserts a user whose password hash is `hash`.
    pub async fn insert(&self, username: &str, email: &str) -> (Uuid, InsertOutcome) {
        let id = Uuid::now_v7();
        let new = NewUser {
            id,
            username: name(username),
            email: address(email),
            password_hash: PasswordHash::from_stored("hash".into()),
            scope: String::new(),
            roles: String::new(),
            created_at_ms: NOW,
        };
        (id, self.run(move |connection| users::insert(connection, &new)).await)
    }

    /// Returns the user ada, who is inserted first.
    pub async fn ada(&self) -> User {
        let (ada, _) = self.insert("ada", "ada@example.com").await;
        self.user(ada).await.unwrap()
    }

    pub async fn user(&self, id: Uuid) -> Option<User> {
        self.run(move |connection| users::find(connection, &id.to_string())).await
    }

    /// Returns the stored password of a user.
    pub async fn password(&self, id: Uuid) -> StoredPassword {
        let key = UserKey::Id(id.to_string());
        let found = self.run(move |connection| users::find_with_password(connection, &key)).await;
        found.unwrap().password.unwrap()
    }

    /// Returns a change of the password of `user`, as `user` was read, to the hash `new`.
    pub async fn password_change(&self, user: &User) -> PasswordChange {
        PasswordChange {
            notice: None,
            user_id: user.id.to_string(),
            revision: user.revision,
            credential_id: self.password(user.id).await.id,
            new_hash: PasswordHash::from_stored("new".into()),
            keep: None,
            at_ms: NOW,
        }
    }

    /// Begins a session of a user, which must succeed.
    pub async fn session(&self, user: Uuid, expires_at_ms: i64) -> SessionId {
        let user = self.user(user).await.unwrap();
        let (sid, began) = self.begin(user, expires_at_ms).await.unwrap();
        assert!(began);
        sid
    }

    /// Begins a session of `user`, as `user` was read. Returns the id, and whether the session
    /// began.
    pub async fn begin(
        &self,
        user: User,
        expires_at_ms: i64,
    ) -> Result<(SessionId, bool), StoreError> {
        let sid = SessionId::generate();
        let origin = Origin { user_agent: Some("curl".into()), ip: None };
        let session = new_session(&user, sid, expires_at_ms);
        let records = login_records(&user, sid, origin);
        let begin = move |connection: &mut _| {
            sessions::begin(connection, &session, &records, &Recorder::default())
        };
        Ok((sid, self.store.run(begin).await?.is_some()))
    }

    /// Ends a session, which must exist.
    pub async fn end(&self, sid: SessionId, now_ms: i64) {
        let end =
            move |connection: &mut _| sessions::end(connection, sid, EndCause::Logout, now_ms);
        assert!(self.run(end).await.is_some());
    }

    /// Returns ended sessions, as [`sessions::revoked`] does.
    pub async fn revoked(
        &self,
        after: Option<SessionId>,
        missing_only: bool,
        limit: i64,
    ) -> Vec<Revoked> {
        let query = move |connection: &mut _| {
            sessions::revoked(connection, after, missing_only, NOW, limit)
        };
        self.run(query).await
    }
}

/// Returns a session of `user` that begins now.
pub fn new_session(user: &User, sid: SessionId, ends_at_ms: i64) -> NewSession {
    NewSession {
        sid,
        user_id: user.id.to_string(),
        user_revision: user.revision,
        amr: "pwd",
        auth_time_ms: NOW,
        ends_at_ms,
        max_sessions: 100,
    }
}

/// Returns the records of a login of `user`.
pub fn login_records(user: &User, sid: SessionId, origin: Origin) -> LoginRecords {
    let record =
        |event| AuditRecord::new(event, Initiator::user(origin.clone()), NOW).user(user.id);
    LoginRecords {
        login: record(AuditEvent::Login).session(sid),
        end: record(AuditEvent::Ended(EndCause::SessionLimit)),
    }
}

pub fn name(text: &str) -> Username {
    Username::parse(text).unwrap()
}

pub fn address(text: &str) -> Email {
    Email::parse(text).unwrap()
}
