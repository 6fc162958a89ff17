//! Administrators reset passwords and unlock users.

use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};

use crate::support::{
    TestApp,
    admin::{ADMIN_API, id_of, with_admin_api},
    mail::{PASSWORD, deployed_with_mail, embedded_with_mail},
};

const NEW: &str = "a better horse battery";
const SUBJECT: &str = "Your password was reset";

#[apply(with_admin_api)]
async fn reset_without_mail_answers_with_the_code_once(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let user = app.new_user("ada").await;
    let path = format!("/admin/users/{}/reset-password", id_of(&user));
    let first = app.admin_send(&admin, Method::POST, &path).await;
    assert_eq!(first.json["sessions_ended"], 1);
    let second = app.admin_send(&admin, Method::POST, &path).await;
    assert_eq!(second.json["sessions_ended"], 0);
    app.get("/me", Some(&user.access)).await.assert_problem(401, "token_not_valid");
    app.login("ada").await.assert_problem(401, "no_active_account");
    let code = |answer: &Value| answer["code"].as_str().unwrap().to_owned();
    app.confirm("ada", &code(&first.json), NEW).await.assert_fields(&["code"]);
    assert_eq!(app.confirm("ada", &code(&second.json), NEW).await.status, 204);
    assert_eq!(app.login_with("ada", NEW).await.status, 200);
    let events = app.audit(&["--user", "ada"]);
    assert!(!serde_json::to_string(&events).unwrap().contains(&code(&second.json)));
    let none = "/admin/users/00000000-0000-7000-8000-000000000000/reset-password";
    app.admin_send(&admin, Method::POST, none).await.assert_problem(404, "not_found");
}

/// Asserts that the user gets the code by mail, and that the administrator does not get it.
async fn assert_mailed(app: &TestApp, server: &test_support::MailServer) {
    let admin = app.user_with_role("olga", "admin").await;
    let user = app.new_user("ada").await;
    let path = format!("/admin/users/{}/reset-password", id_of(&user));
    let reset = app.admin_send(&admin, Method::POST, &path).await;
    assert_eq!(reset.json, json!({"sessions_ended": 1, "code": null}));
    app.login("ada").await.assert_problem(401, "no_active_account");
    let mail = server.wait_for("ada@example.com", SUBJECT).await;
    assert_eq!(app.confirm("ada", &mail.code(), NEW).await.status, 204);
    let user = app.login_with("ada", NEW).await.tokens();
    // The code proves the address, as any mailed code.
    assert_eq!(app.get("/me", Some(&user.access)).await.json["email_verified"], true);
}

#[actix_web::test]
async fn reset_with_mail_sends_the_code_to_the_user_on_postgres() {
    let (app, server) = deployed_with_mail(&[ADMIN_API]).await;
    assert_mailed(&app, &server).await;
}

#[actix_web::test]
async fn reset_with_mail_sends_the_code_to_the_user_on_sqlite() {
    let (app, server) = embedded_with_mail(&[ADMIN_API]).await;
    assert_mailed(&app, &server).await;
}

#[apply(with_admin_api)]
async fn locked_user_is_unlocked(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    app.register("ada").await;
    let users = app.admin_get(&admin, "/admin/users?name=ada").await;
    let id = users["users"][0]["id"].as_str().unwrap().to_owned();
    for _ in 0..5 {
        app.login_with("ada", "wrong horse battery").await;
    }
    app.login("ada").await.assert_problem(429, "throttled");
    let path = format!("/admin/users/{id}/unlock");
    assert_eq!(app.admin_send(&admin, Method::POST, &path).await.status, 204);
    assert_eq!(app.login_with("ada", PASSWORD).await.status, 200);
    let events = app.audit(&["--user", "ada", "--event", "user_unlocked"]);
    assert_eq!((events.len(), &events[0]["admin"]), (1, &json!("olga")));
}
