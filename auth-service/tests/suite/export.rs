//! A user exports everything that is stored about the account.

use rstest_reuse::apply;
use serde_json::json;

use crate::support::{TestApp, mail::PASSWORD, on_both_stores};

#[apply(on_both_stores)]
async fn export_has_everything_about_the_user_and_no_secret(app: TestApp) {
    let access = app.new_user("ada").await.access;
    app.new_user("grace").await;
    app.login("grace").await;
    let second = app.login("ada").await.tokens();
    assert_eq!(app.logout(&second).await.status, 204);
    app.login_with("ada", "wrong horse battery").await;
    app.cli(&["users", "grant", "ada", "--role", "editor", "--scope", "read"]);
    let name = json!({"username": "lovelace", "language": "de"});
    assert_eq!(app.send_with(&access, reqwest::Method::PATCH, "/me", name).await.status, 200);
    app.post_with(&access, "/me/delete/request", json!({})).await;
    test_support::wait_until("a pending code", async || {
        let export = app.get("/me/export", Some(&access)).await;
        !export.json["one_time_codes"].as_array().unwrap().is_empty()
    })
    .await;
    let export = app.get("/me/export", Some(&access)).await;
    assert_eq!(export.status, 200);
    assert_eq!(export.header("cache-control"), "no-store");
    assert_eq!(export.header("content-disposition"), "attachment; filename=\"account.json\"");
    assert_eq!(export.header("content-type"), "application/json");
    let export = export.json;
    let user = &export["user"];
    assert_eq!(user["username"], "lovelace");
    assert_eq!(user["email"], "ada@example.com");
    assert_eq!(user["language"], "de");
    assert_eq!(user["email_verified_at"], json!(null));
    assert_eq!((&user["roles"], &user["scopes"]), (&json!(["editor"]), &json!(["read"])));
    assert_eq!(export["former_usernames"][0]["username"], "ada");
    assert_eq!(export["credentials"][0]["kind"], "password");
    assert_eq!(export["one_time_codes"][0]["purpose"], "delete_account");
    let sessions = export["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 2);
    assert_eq!(sessions.iter().filter(|it| it["end_cause"] == "logout").count(), 1);
    let events: Vec<&str> = export["audit_events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .filter(|event| *event != "account_exported")
        .collect();
    let expected = [
        "registration",
        "login",
        "login",
        "logout",
        "login_failed",
        "claims_change",
        "username_changed",
        "code_mailed",
    ];
    assert_eq!(events, expected);
    // The failed login may be that of another person.
    let of = |name: &str| {
        let events = export["audit_events"].as_array().unwrap();
        events.iter().find(|event| event["event"] == name).unwrap().clone()
    };
    assert_eq!(of("login")["ip"], "127.0.0.1");
    let failed = of("login_failed");
    assert_eq!((&failed["ip"], &failed["user_agent"]), (&json!(null), &json!(null)));
    let text = export.to_string();
    for secret in ["bcrypt", "$2b$", "mac", "sealed", "grace", PASSWORD] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[actix_web::test]
async fn many_events_are_exported_page_by_page() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    let id = app.get("/me", Some(&tokens.access)).await.json["id"].as_str().unwrap().to_owned();
    let mut database = crate::support::open_sqlite(&app.folder);
    let now = app.clock.now_ms() - 1000;
    // More than a page in one millisecond.
    let insert = format!(
        "WITH RECURSIVE counter(n) AS \
         (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 3000) \
         INSERT INTO audit_events (at, event, actor, user_id, detail) \
         SELECT {now} - n / 1500, 'login_failed', 'anyone', '{id}', n FROM counter; \
         WITH RECURSIVE counter(n) AS \
         (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE n < 1200) \
         INSERT INTO sessions (id, user_id, created_at, expires_at, revoked_at, revoked_cause) \
         SELECT printf('00000000-0000-7000-8000-%012d', n), '{id}', {now}, {now} + 9999999, {now}, \
         'logout' FROM counter;"
    );
    diesel::connection::SimpleConnection::batch_execute(&mut database, &insert).unwrap();
    let export = app.get("/me/export", Some(&tokens.access)).await.json;
    assert_eq!(export["sessions"].as_array().unwrap().len(), 1201);
    let events = export["audit_events"].as_array().unwrap();
    let details: std::collections::BTreeSet<&str> =
        events.iter().filter_map(|event| event["detail"].as_str()).collect();
    assert_eq!(details.len(), 3000);
    assert_eq!(events.len(), 3000 + 3);
}

#[actix_web::test]
async fn export_needs_a_user_and_a_recent_login() {
    let app = TestApp::embedded_with(&["--recent-login=60"]).await;
    let access = app.new_user("ada").await.access;
    app.get("/me/export", None).await.assert_problem(401, "not_authenticated");
    let head = app.request(reqwest::Method::HEAD, "/me/export").bearer_auth(&access);
    assert_eq!(head.send().await.unwrap().status(), 200);
    app.advance(61);
    let refused = app.get("/me/export", Some(&access)).await;
    refused.assert_problem(403, "reauthentication_required");
    assert!(refused.header("www-authenticate").ends_with("max_age=\"60\""));
    let client = app.client("job", &["read"]);
    let token = app.client_token(&client).await;
    app.get("/me/export", Some(&token)).await.assert_problem(403, "permission_denied");
}
