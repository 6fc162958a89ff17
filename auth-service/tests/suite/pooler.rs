//! PostgreSQL behind a pooler that gives each transaction another session (PgBouncer).

use actix_web::rt::task::spawn_blocking;
use diesel::connection::SimpleConnection;
use futures_util::future::join_all;
use serde_json::json;
use test_support::{
    PgBouncer, PostgresServer, TestDatabase, hold_migration_lock, redis_url, sql, temp_dir,
    wait_for_lock_waiters, wait_until,
};

use crate::{
    races::hold_lock,
    support::{TestApp, auth_service, keys::stdout_of},
};

/// An app behind PgBouncer, which the app cannot outlive.
struct Pooled {
    app: TestApp,
    bouncer: PgBouncer,
}

impl Pooled {
    async fn start(bouncer_settings: &[&str], args: &[&str]) -> Self {
        let database = TestDatabase::create();
        let settings = [&["auth_type = trust"], bouncer_settings].concat();
        let bouncer = PgBouncer::start_with(&database.server_addr(), "", &settings);
        let url = database.url_via(bouncer.addr());
        let app = TestApp::on_database(&url, args, Some(database)).await.ready().await;
        Self { app, bouncer }
    }

    /// Returns the URL of the database without the pooler.
    fn direct_url(&self) -> String {
        self.app.database.as_ref().unwrap().url()
    }

    /// Returns the URL of the database through the pooler.
    fn url(&self) -> String {
        self.app.database.as_ref().unwrap().url_via(self.bouncer.addr())
    }
}

/// Uses every route that reads or writes the database, with more users at once than the pooler has
/// sessions.
async fn work_with(pooled: &Pooled, users: usize) {
    let Pooled { app, .. } = pooled;
    let another = app.replica().await;
    another.wait_for_status("/readyz", 200).await;
    let work = (0..users).map(|number| async move {
        let name = format!("user{number}");
        let first = app.new_user(&name).await;
        app.register(&name).await.assert_problem(400, "invalid");
        let second = app.login(&name).await.tokens();
        let second = app.refreshed(&second.refresh).await;
        let sessions = app.get("/sessions", Some(&first.access)).await;
        assert_eq!(sessions.json["sessions"].as_array().unwrap().len(), 2, "{sessions:?}");
        assert_eq!(app.logout(&second).await.status, 204);
        app.refresh(&second.refresh).await.assert_problem(401, "token_not_valid");
        let change =
            json!({"old_password": "correct horse battery", "new_password": "another horse 1"});
        let request = app.request(reqwest::Method::POST, "/password").bearer_auth(&first.access);
        assert_eq!(app.send(request.json(&change)).await.status, 204);
        app.refresh(&first.refresh).await.assert_problem(401, "token_not_valid");
        assert_eq!(app.login_with(&name, "another horse 1").await.status, 200);
    });
    join_all(work).await;
    let direct = pooled.direct_url();
    for kind in ["registration", "login", "logout", "password_change"] {
        let found = sql(&direct, &format!("SELECT 1 FROM audit_events WHERE event = '{kind}'"));
        assert!(found >= users, "{found} events {kind}");
    }
    assert_no_state_is_left(pooled);
}

/// Asserts that the pooler's sessions are as PgBouncer opened them.
fn assert_no_state_is_left(pooled: &Pooled) {
    let locks = "SELECT 1 FROM pg_locks JOIN pg_database ON pg_database.oid = database \
         WHERE locktype = 'advisory' AND datname = current_database()";
    assert_eq!(sql(&pooled.direct_url(), locks), 0);
    let defaults = "SELECT 1 WHERE current_setting('statement_timeout') = '0' \
         AND current_setting('lock_timeout') = '0' \
         AND NOT EXISTS (SELECT 1 FROM pg_prepared_statements)";
    for _ in 0..4 {
        assert_eq!(sql(&pooled.url(), defaults), 1);
    }
}

#[actix_web::test]
async fn service_works_through_a_pooler_that_refuses_session_options() {
    let pooled = Pooled::start(&[], &[]).await;
    work_with(&pooled, 6).await;
    let args = ["doctor", "--database-url", &pooled.url(), "--redis-url", &redis_url()];
    let report = stdout_of(auth_service(&pooled.app.folder, &args));
    assert!(report.contains("ok      pooler    the connections go through PgBouncer"), "{report}");
}

#[actix_web::test]
async fn service_works_through_a_pooler_that_ignores_session_options() {
    let pooled = Pooled::start(&["ignore_startup_parameters = options"], &[]).await;
    work_with(&pooled, 3).await;
}

#[actix_web::test]
async fn statement_behind_a_pooler_ends_at_its_time_limit() {
    let pooled = Pooled::start(&[], &["--database-timeout=1"]).await;
    let tokens = pooled.app.new_user("ada").await;
    let direct = pooled.direct_url();
    let mut holder = hold_lock(&direct, "SELECT 1 FROM users FOR UPDATE");

    pooled.app.login("ada").await.assert_problem(503, "unavailable");
    // PostgreSQL ends the statement, although the lock is still held.
    wait_until("no connection waits for the lock", async || {
        let waiting = "SELECT 1 FROM pg_stat_activity
             WHERE wait_event_type = 'Lock' AND datname = current_database()";
        sql(&direct, waiting) == 0
    })
    .await;
    holder.batch_execute("ROLLBACK").unwrap();
    assert_eq!(pooled.app.get("/me", Some(&tokens.access)).await.status, 200);
    assert_eq!(pooled.app.login("ada").await.status, 200);
}

#[actix_web::test]
async fn service_waits_for_a_database_behind_a_pooler() {
    let postgres = PostgresServer::start();
    let bouncer = PgBouncer::in_front_of(&format!("127.0.0.1:{}", postgres.port()));
    postgres.stop();
    let url = format!("postgres://postgres@{}/postgres", bouncer.addr());
    let app = TestApp::on_database(&url, &["--database-timeout=1"], None).await;
    app.wait_for_status("/readyz", 503).await;
    postgres.restart();
    app.wait_for_status("/readyz", 200).await;
    let tokens = app.new_user("ada").await;

    postgres.stop();
    app.login("ada").await.assert_problem(503, "unavailable");
    app.wait_for_status("/readyz", 503).await;
    postgres.restart();
    app.wait_for_status("/readyz", 200).await;
    wait_until("logins work again", async || app.login("ada").await.status == 200).await;
    assert_eq!(app.logout(&tokens).await.status, 204);
}

#[actix_web::test]
async fn migrations_through_a_pooler_wait_for_each_other() {
    let database = TestDatabase::create();
    let bouncer = PgBouncer::in_front_of(&database.server_addr());
    let url = database.url_via(bouncer.addr());
    let migrate = || {
        let args = ["migrate", "--database-url", &url, "--redis-url", "redis://127.0.0.1:1/"];
        let args = args.map(str::to_owned);
        spawn_blocking(move || auth_service(&temp_dir(), &args.each_ref().map(String::as_str)))
    };
    let held = hold_migration_lock(&database.url());
    let migrations = [migrate(), migrate()];
    wait_for_lock_waiters(&database.url(), 2).await;
    drop(held);
    for migration in migrations {
        stdout_of(migration.await.unwrap());
    }
    // With a current schema, no start waits for the lock.
    let held = hold_migration_lock(&database.url());
    stdout_of(migrate().await.unwrap());
    drop(held);
}
