//! A login that meets the end of its user's sessions: whichever comes first, nothing is left alive. What meets what is
//! arranged by locks in the database.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::support::TestApp;
use diesel::{Connection, PgConnection, connection::SimpleConnection};
use futures_util::future::join;
use test_support::{claims_of, sql, wait_for_lock_waiters};

/// Keeps others waiting until it is dropped.
fn hold(url: &str, lock: &str) -> PgConnection {
    let mut connection = PgConnection::establish(url).unwrap();
    connection.batch_execute(&format!("BEGIN; {lock}")).unwrap();
    connection
}

/// Logs in while `users VERB ada` is held up.
async fn login_during(verb: &'static str) {
    let app = Arc::new(TestApp::deployed_with(&["--database-timeout=20"]).await);
    let before = app.new_user("ada").await;
    let url = app.database.as_ref().unwrap().url();
    // The user is changed first, and their sessions end then.
    let held = hold(&url, "SELECT id FROM sessions FOR UPDATE");
    let operator = {
        let app = Arc::clone(&app);
        thread::spawn(move || app.cli(&["users", verb, "ada"]))
    };
    wait_for_lock_waiters(&url, 1).await;
    let release = async {
        wait_for_lock_waiters(&url, 2).await;
        drop(held);
    };
    let (login, ()) = join(app.login("ada"), release).await;
    login.assert_problem(401, "no_active_account");
    let output = operator.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(sql(&url, "SELECT 1 FROM sessions WHERE revoked_at IS NULL"), 0, "a session is left alive");
    let refused = async |refresh: &str| app.refresh(refresh).await.status == 401;
    let deadline = Instant::now() + Duration::from_secs(20);
    while !refused(&before.refresh).await {
        assert!(Instant::now() < deadline, "the session before goes on");
    }
}

#[actix_web::test]
async fn a_login_while_the_user_is_being_disabled_is_refused() {
    login_during("disable").await;
}

#[actix_web::test]
async fn a_login_while_the_user_is_being_deleted_is_refused() {
    login_during("delete").await;
}

#[actix_web::test]
async fn a_login_while_the_scopes_change_has_the_new_ones() {
    let app = TestApp::deployed_with(&["--database-timeout=20"]).await;
    app.register("ada").await;
    let url = app.database.as_ref().unwrap().url();
    let mut held = hold(&url, "UPDATE users SET scope = 'reports:read'");
    let release = async {
        wait_for_lock_waiters(&url, 1).await;
        held.batch_execute("COMMIT").unwrap();
    };
    let (login, ()) = join(app.login("ada"), release).await;
    assert_eq!(claims_of(&login.tokens().access)["scope"], "reports:read");
    assert_eq!(sql(&url, "SELECT 1 FROM sessions"), 1);
    assert_eq!(sql(&url, "SELECT 1 FROM audit_events WHERE event LIKE 'login%'"), 1);
}

#[actix_web::test]
async fn a_login_whose_user_never_stays_the_same_may_be_tried_again() {
    let app = TestApp::deployed_with(&[]).await;
    app.register("ada").await;
    let url = app.database.as_ref().unwrap().url();
    sql(&url, "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'");
    sql(&url, "CREATE TRIGGER nothing BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION nothing()");
    app.login("ada").await.assert_problem(503, "unavailable");
    // The password was right.
    assert_eq!(sql(&url, "SELECT 1 FROM audit_events WHERE event LIKE 'login%'"), 0);
}
