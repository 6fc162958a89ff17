//! Two tables, through diesel and r2d2. The pool does not test connections before use.

use std::time::Duration;

use actix_web::{
    Error,
    error::{ErrorConflict, ErrorServiceUnavailable},
    web::block,
};
use diesel::{
    ExpressionMethods, OptionalExtension, PgConnection, QueryDsl, QueryResult, RunQueryDsl,
    connection::SimpleConnection,
    r2d2::{ConnectionManager, Pool},
};
use uuid::Uuid;

const POOL_SIZE: u32 = 10;
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

diesel::table! {
    limit_users (id) { id -> Text, username -> Text, password_hash -> Text, }
}
diesel::table! {
    limit_sessions (id) { id -> Text, user_id -> Text, ended -> Bool, }
}

pub struct Store(Pool<ConnectionManager<PgConnection>>);

impl Store {
    pub fn open(url: &str) -> Result<Self, Box<dyn std::error::Error>> {
        let pool = Pool::builder()
            .max_size(POOL_SIZE)
            .connection_timeout(CONNECTION_TIMEOUT)
            .test_on_check_out(false)
            .build(ConnectionManager::<PgConnection>::new(url))?;
        pool.get()?.batch_execute(
            "CREATE TABLE IF NOT EXISTS limit_users (
                 id text PRIMARY KEY,
                 username text NOT NULL UNIQUE,
                 password_hash text NOT NULL);
             CREATE TABLE IF NOT EXISTS limit_sessions (
                 id text PRIMARY KEY,
                 user_id text NOT NULL REFERENCES limit_users,
                 ended bool NOT NULL);",
        )?;
        Ok(Self(pool))
    }

    pub async fn insert_user(
        &self,
        id: String,
        username: String,
        password_hash: String,
    ) -> Result<(), Error> {
        use limit_users::dsl;
        let row =
            (dsl::id.eq(id), dsl::username.eq(username), dsl::password_hash.eq(password_hash));
        let insert = diesel::insert_into(dsl::limit_users).values(row);
        let inserted = self.run(move |connection| insert.execute(connection)).await?;
        inserted.map(drop).map_err(ErrorConflict)
    }

    /// Returns the id and the password hash of a user.
    pub async fn user(&self, username: String) -> Result<Option<(String, String)>, Error> {
        use limit_users::dsl;
        let users = dsl::limit_users.filter(dsl::username.eq(username));
        let columns = users.select((dsl::id, dsl::password_hash));
        let found = self.run(move |connection| columns.first(connection).optional()).await?;
        found.map_err(ErrorServiceUnavailable)
    }

    pub async fn insert_session(&self, sid: Uuid, user_id: String) -> Result<(), Error> {
        use limit_sessions::dsl;
        let row = (dsl::id.eq(sid.to_string()), dsl::user_id.eq(user_id), dsl::ended.eq(false));
        let insert = diesel::insert_into(dsl::limit_sessions).values(row);
        let inserted = self.run(move |connection| insert.execute(connection)).await?;
        inserted.map(drop).map_err(ErrorServiceUnavailable)
    }

    pub async fn end_session(&self, sid: Uuid) -> Result<(), Error> {
        use limit_sessions::dsl;
        let session = dsl::limit_sessions.filter(dsl::id.eq(sid.to_string()));
        let update = diesel::update(session).set(dsl::ended.eq(true));
        let updated = self.run(move |connection| update.execute(connection)).await?;
        updated.map(drop).map_err(ErrorServiceUnavailable)
    }

    /// Runs a query on the thread pool for blocking work.
    async fn run<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut PgConnection) -> QueryResult<T> + Send + 'static,
    ) -> Result<QueryResult<T>, Error> {
        let pool = self.0.clone();
        let result = block(move || pool.get().map(|mut connection| query(&mut connection))).await?;
        result.map_err(ErrorServiceUnavailable)
    }
}
