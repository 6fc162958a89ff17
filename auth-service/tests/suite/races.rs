//! A login during a change of its user: in either order, no session outlives the change. Locks in
//! the database arrange the order.

use std::{sync::Arc, thread};

use crate::support::TestApp;
use diesel::{Connection, PgConnection, connection::SimpleConnection};
use futures_util::future::join;
use test_support::{claims_of, sql, wait_for_lock_waiters, wait_until};

/// Returns a connection that holds a lock until it is dropped.
pub fn hold_lock(url: &str, lock: &str) -> PgConnection {
    let mut connection = PgConnection::establish(url).unwrap();
    connection.batch_execute(&format!("BEGIN; {lock}")).unwrap();
    connection
}

/// Asserts that a login is rejected while `users` with these arguments waits for a lock.
async fn assert_login_is_rejected_during(args: &'static [&'static str]) {
    let app = Arc::new(TestApp::deployed_with(&["--database-timeout=20"]).await);
    let before = app.new_user("ada").await;
    let url = app.database.as_ref().unwrap().url();
    // The command changes the user first, and then ends the user's sessions.
    let held = hold_lock(&url, "SELECT id FROM sessions FOR UPDATE");
    let operator = {
        let app = Arc::clone(&app);
        thread::spawn(move || app.cli(&[&["users"], args].concat()))
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
    assert_eq!(
        sql(&url, "SELECT 1 FROM sessions WHERE revoked_at IS NULL"),
        0,
        "a session is left alive"
    );
    wait_until("the earlier session ends", async || {
        app.refresh(&before.refresh).await.status == 401
    })
    .await;
}

#[actix_web::test]
async fn login_while_the_user_is_disabled_is_rejected() {
    assert_login_is_rejected_during(&["disable", "ada"]).await;
}

#[actix_web::test]
async fn login_while_the_user_is_deleted_is_rejected() {
    assert_login_is_rejected_during(&["delete", "ada", "--yes"]).await;
}

#[actix_web::test]
async fn login_while_the_scopes_change_carries_the_new_scopes() {
    let app = TestApp::deployed_with(&["--database-timeout=20"]).await;
    app.register("ada").await;
    let url = app.database.as_ref().unwrap().url();
    let mut held = hold_lock(&url, "UPDATE users SET scope = 'reports:read'");
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
async fn login_whose_session_is_never_stored_answers_503() {
    let app = TestApp::deployed_with(&[]).await;
    app.register("ada").await;
    let url = app.database.as_ref().unwrap().url();
    sql(
        &url,
        "CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    );
    sql(
        &url,
        "CREATE TRIGGER nothing BEFORE INSERT ON sessions FOR EACH ROW EXECUTE FUNCTION nothing()",
    );
    app.login("ada").await.assert_problem(503, "unavailable");
    // The password was correct, so the audit trail has no failed login.
    assert_eq!(sql(&url, "SELECT 1 FROM audit_events WHERE event LIKE 'login%'"), 0);
}
