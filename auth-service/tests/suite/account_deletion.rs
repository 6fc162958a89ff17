//! A user deletes the account, and can return within the grace period.

use futures_util::future::join_all;
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{Answer, MailServer, wait_until};

use crate::support::{
    TestApp,
    mail::{PASSWORD, change_email, deployed_with_mail, embedded_with_mail},
    on_both_stores,
};

const EMAIL: &str = "ada@example.com";
const CONFIRM: &str = "Confirm the deletion of your account";
const DELETED: &str = "Your account is deleted";

async fn delete(app: &TestApp, access: &str, body: Value) -> Answer {
    app.send_with(access, Method::DELETE, "/me", body).await
}

/// Returns the user as `auth-service users show` prints it. `None` if there is no such user.
fn shown(app: &TestApp, user: &str) -> Option<Value> {
    let output = app.cli(&["users", "show", user, "--json"]);
    output.status.success().then(|| serde_json::from_slice(&output.stdout).unwrap())
}

async fn user_returns_within_the_grace_period(app: TestApp, server: MailServer) {
    let tokens = app.new_user("ada").await;
    let other = app.login("ada").await.tokens();
    let now = app.clock.now_secs();
    let deleted = delete(&app, &tokens.access, json!({"password": PASSWORD})).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let delete_at: jiff::Timestamp = deleted.json["delete_at"].as_str().unwrap().parse().unwrap();
    assert!((delete_at.as_second() - now - 604_800).abs() < 60, "{delete_at}");
    let mail = server.wait_for(EMAIL, DELETED).await;
    assert!(mail.text.contains("deleted in 7 days"), "{}", mail.text);
    for tokens in [&tokens, &other] {
        app.get("/me", Some(&tokens.access)).await.assert_problem(401, "token_not_valid");
        assert_eq!(app.refresh(&tokens.refresh).await.status, 401);
    }
    assert_eq!(shown(&app, "ada").unwrap()["delete_at"], deleted.json["delete_at"]);
    let listed = app.cli(&["users", "list", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["delete_at"], deleted.json["delete_at"]);
    // The names are not free.
    app.register("ada").await.assert_fields(&["email", "username"]);
    // A wrong password does not bring the account back.
    app.login_with("ada", "wrong horse battery").await.assert_problem(401, "no_active_account");
    assert_ne!(shown(&app, "ada").unwrap()["delete_at"], json!(null));
    let access = app.login("ada").await.tokens().access;
    assert_eq!(app.get("/me", Some(&access)).await.status, 200);
    assert_eq!(shown(&app, "ada").unwrap()["delete_at"], json!(null));
    let events = app.event_names("ada");
    let tail: Vec<&str> = events.iter().rev().take(4).rev().map(String::as_str).collect();
    assert_eq!(tail, ["deletion_requested", "login_failed", "login", "deletion_cancelled"]);
    server.wait_for(EMAIL, "Your account is back").await;
}

#[actix_web::test]
async fn user_returns_within_the_grace_period_on_postgres() {
    let (app, server) = deployed_with_mail(&[]).await;
    user_returns_within_the_grace_period(app, server).await;
}

#[actix_web::test]
async fn user_returns_within_the_grace_period_on_sqlite() {
    let (app, server) = embedded_with_mail(&[]).await;
    user_returns_within_the_grace_period(app, server).await;
}

#[actix_web::test]
async fn user_returns_with_a_new_password() {
    let (app, server) = embedded_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    assert_eq!(delete(&app, &access, json!({"password": PASSWORD})).await.status, 200);
    assert_eq!(app.post("/password/reset", json!({"email": EMAIL})).await.status, 202);
    let code = server.wait_for(EMAIL, "Set a new password").await.code();
    let next = "a better horse battery";
    let reset = json!({"email": EMAIL, "code": code, "new_password": next});
    assert_eq!(app.post("/password/reset/confirm", reset).await.status, 204);
    assert_eq!(app.login_with("ada", next).await.status, 200);
    assert_eq!(shown(&app, "ada").unwrap()["delete_at"], json!(null));
}

#[apply(on_both_stores)]
async fn account_is_deleted_when_the_grace_period_ends(app: TestApp) {
    let brief = app.replica_with(|it| it.accounts.account_deletion_grace = second()).await;
    brief.wait_for_status("/readyz", 200).await;
    let access = app.new_user("ada").await.access;
    let keeper = app.new_user("grace").await.access;
    let body = json!({"password": PASSWORD});
    let request = brief.request(Method::DELETE, "/me").bearer_auth(&access).json(&body);
    assert_eq!(brief.send(request).await.status, 200);
    let id = shown(&app, "ada").unwrap()["id"].as_str().unwrap().to_owned();
    wait_until("the account is deleted", async || {
        assert!(app.cli(&["cleanup"]).status.success());
        shown(&app, "ada").is_none()
    })
    .await;
    app.login("ada").await.assert_problem(401, "no_active_account");
    // The name is kept, the address is free.
    app.register("ada").await.assert_fields(&["username"]);
    assert_eq!(app.event_names(&id).last().unwrap(), "user_deleted");
    let last = app.audit(&["--user", &id]).pop().unwrap();
    assert_eq!(last["actor"], "service");
    assert_eq!(app.get("/me", Some(&keeper)).await.status, 200);
}

fn second() -> std::time::Duration {
    std::time::Duration::from_secs(1)
}

#[apply(on_both_stores)]
async fn user_whom_the_previous_version_logged_in_is_not_deleted(app: TestApp) {
    let tokens = app.new_user("ada").await;
    // As after a login at a replica that does not cancel the deletion.
    let set = "UPDATE users SET delete_at = 2000, deletion_requested_at = 1000";
    assert_eq!(app.sql(set), 1);
    assert_ne!(shown(&app, "ada").unwrap()["delete_at"], json!(null));
    assert!(app.cli(&["cleanup"]).status.success());
    assert_eq!(shown(&app, "ada").unwrap()["delete_at"], json!(null));
    assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
    let last = app.audit(&["--user", "ada"]).pop().unwrap();
    assert_eq!((&last["event"], &last["actor"]), (&json!("deletion_cancelled"), &json!("service")));
}

#[actix_web::test]
async fn account_that_cannot_be_deleted_does_not_stop_the_cleanup() {
    let app = TestApp::embedded().await;
    for name in ["ada", "grace", "mary"] {
        app.register(name).await;
    }
    let refuse = "CREATE TRIGGER refuse BEFORE DELETE ON users WHEN old.username = 'ada' \
                  BEGIN SELECT RAISE(ABORT, 'refused'); END; \
                  UPDATE users SET delete_at = 2000, deletion_requested_at = 1000";
    let mut database = crate::support::open_sqlite(&app.folder);
    diesel::connection::SimpleConnection::batch_execute(&mut database, refuse).unwrap();
    assert!(app.cli(&["cleanup"]).status.success());
    let exist = ["ada", "grace", "mary"].map(|name| shown(&app, name).is_some());
    assert_eq!(exist, [true, false, false]);
}

async fn without_a_grace_period_the_account_is_deleted_at_once(app: TestApp, server: MailServer) {
    let tokens = app.new_user("ada").await;
    let id = app.get("/me", Some(&tokens.access)).await.json["id"].as_str().unwrap().to_owned();
    let deleted = delete(&app, &tokens.access, json!({"password": PASSWORD})).await;
    assert_eq!((deleted.status, deleted.json), (204, json!(null)));
    let mail = server.wait_for(EMAIL, DELETED).await;
    assert!(mail.text.contains("everything that was stored"), "{}", mail.text);
    assert_eq!(shown(&app, "ada"), None);
    app.get("/me", Some(&tokens.access)).await.assert_problem(401, "token_not_valid");
    assert_eq!(app.refresh(&tokens.refresh).await.status, 401);
    let last = app.audit(&["--user", &id]).pop().unwrap();
    assert_eq!((&last["event"], &last["actor"]), (&json!("user_deleted"), &json!("user")));
}

#[actix_web::test]
async fn without_a_grace_period_the_account_is_deleted_at_once_on_postgres() {
    let (app, server) = deployed_with_mail(&["--account-deletion-grace=0"]).await;
    without_a_grace_period_the_account_is_deleted_at_once(app, server).await;
}

#[actix_web::test]
async fn without_a_grace_period_the_account_is_deleted_at_once_on_sqlite() {
    let (app, server) = embedded_with_mail(&["--account-deletion-grace=0"]).await;
    without_a_grace_period_the_account_is_deleted_at_once(app, server).await;
}

async fn request_code(app: &TestApp, server: &MailServer, access: &str) -> String {
    let before = server.mails().len();
    assert_eq!(app.post_with(access, "/me/delete/request", json!({})).await.status, 202);
    wait_until("a mail", async || server.mails().len() > before).await;
    server.wait_for(EMAIL, CONFIRM).await.code()
}

#[actix_web::test]
async fn user_without_a_password_deletes_the_account_with_a_code() {
    let (app, server) = deployed_with_mail(&["--account-deletion-grace=0"]).await;
    let access = app.new_user("ada").await.access;
    let other = app.new_user("grace").await.access;
    let code = request_code(&app, &server, &access).await;
    for (access, code) in [(&other, &*code), (&access, "0000-0000-0000"), (&access, "no code")] {
        TestApp::assert_wrong_code(&delete(&app, access, json!({"code": code})).await);
    }
    let reset = json!({"email": EMAIL, "code": code, "new_password": "a better horse battery"});
    TestApp::assert_wrong_code(&app.post("/password/reset/confirm", reset).await);
    let newer = request_code(&app, &server, &access).await;
    TestApp::assert_wrong_code(&delete(&app, &access, json!({"code": code})).await);
    app.advance(3601);
    let access = app.login("ada").await.tokens().access;
    TestApp::assert_wrong_code(&delete(&app, &access, json!({"code": newer})).await);
    let code = request_code(&app, &server, &access).await;
    let deletions = (0..20).map(|_| delete(&app, &access, json!({"code": code})));
    let answers = join_all(deletions).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 204).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| [204, 400, 401].contains(&answer.status)), "{answers:?}");
    assert_eq!(shown(&app, "ada"), None);
    assert!(shown(&app, "grace").is_some());
}

#[actix_web::test]
async fn bad_requests_are_refused() {
    let app = TestApp::embedded().await;
    let access = app.new_user("ada").await.access;
    for (body, fields) in [
        (json!({}), &["password"][..]),
        (json!({"password": ""}), &["password"]),
        (json!({"password": null}), &["password"]),
        (json!({"password": "wrong horse battery"}), &["password"]),
        (json!({"code": ""}), &["code"]),
        (json!({"code": 1}), &["code"]),
        (json!({"password": PASSWORD, "code": "x"}), &["code"]),
    ] {
        delete(&app, &access, body).await.assert_fields(fields);
    }
    let anonymous = app.request(Method::DELETE, "/me").json(&json!({"password": PASSWORD}));
    app.send(anonymous).await.assert_problem(401, "not_authenticated");
    app.post("/me/delete/request", json!({})).await.assert_problem(401, "not_authenticated");
    assert_eq!(app.get("/me", Some(&access)).await.status, 200);
}

#[actix_web::test]
async fn owner_of_a_former_address_cancels_the_deletion_of_a_thief() {
    let (app, server) = deployed_with_mail(&[]).await;
    let access = app.new_user("ada").await.access;
    let undo_code = change_email(&app, &server, &access, EMAIL, "thief@example.org").await;
    assert_eq!(delete(&app, &access, json!({"password": PASSWORD})).await.status, 200);
    let undo = json!({"email": EMAIL, "code": undo_code});
    assert_eq!(app.post("/email/change/undo", undo).await.status, 204);
    assert_eq!(shown(&app, EMAIL).unwrap()["delete_at"], json!(null));
}

#[actix_web::test]
async fn account_outlives_the_codes_that_undo_a_change_of_its_address() {
    let (app, server) = embedded_with_mail(&["--account-deletion-grace=0"]).await;
    let access = app.new_user("ada").await.access;
    let undo_code = change_email(&app, &server, &access, EMAIL, "thief@example.org").await;
    let now = app.clock.now_secs();
    let deleted = delete(&app, &access, json!({"password": PASSWORD})).await;
    assert_eq!(deleted.status, 200, "{deleted:?}");
    let delete_at: jiff::Timestamp = deleted.json["delete_at"].as_str().unwrap().parse().unwrap();
    assert!((delete_at.as_second() - now - 604_800).abs() < 60, "{delete_at}");
    let mail = server.wait_for("thief@example.org", DELETED).await;
    assert!(mail.text.contains("deleted in 7 days"), "{}", mail.text);
    let undo = json!({"email": EMAIL, "code": undo_code});
    assert_eq!(app.post("/email/change/undo", undo).await.status, 204);
    assert_eq!(shown(&app, EMAIL).unwrap()["delete_at"], json!(null));
}
