//! Who may call the routes below `/admin`, and when.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::Tokens;

use crate::support::{
    TestApp,
    admin::{ADMIN_API, NO_ID, id_of, sid_of, with_admin_api},
    browser::{APP_ORIGIN, Browser},
    mail::PASSWORD,
};

/// Returns every route, with the id of a user and of a session of this user.
fn routes(id: &str, sid: &str) -> Vec<(Method, String, Value)> {
    let client = json!({"id": "billing-job"});
    let user = json!({"username": "grace", "email": "grace@example.com"});
    let of_user = |rest: &str| format!("/admin/users/{id}{rest}");
    vec![
        (Method::GET, "/admin/users".into(), Value::Null),
        (Method::GET, of_user(""), Value::Null),
        (Method::GET, of_user("/sessions"), Value::Null),
        (Method::GET, "/admin/clients".into(), Value::Null),
        (Method::GET, "/admin/audit".into(), Value::Null),
        (Method::POST, "/admin/users".into(), user),
        (Method::PATCH, of_user(""), json!({"disabled": true})),
        (Method::DELETE, of_user(&format!("/sessions/{sid}")), Value::Null),
        (Method::POST, of_user("/logout"), Value::Null),
        (Method::POST, of_user("/unlock"), Value::Null),
        (Method::POST, of_user("/reset-password"), Value::Null),
        (Method::DELETE, of_user(""), Value::Null),
        (Method::POST, "/admin/clients".into(), client),
        (Method::POST, "/admin/clients/gateway/rotate-secret".into(), Value::Null),
        (Method::DELETE, "/admin/clients/gateway".into(), Value::Null),
    ]
}

/// Sends a request to every route. Returns method, path, status and code of each answer.
async fn call_all(app: &TestApp, token: Option<&str>, user: &Tokens) -> Vec<(Method, u16, Value)> {
    let mut answers = Vec::new();
    for (method, path, body) in routes(&id_of(user), &sid_of(user)) {
        let mut request = app.request(method.clone(), &path);
        if !body.is_null() {
            request = request.json(&body);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = app.send(request).await;
        answers.push((method, answer.status, answer.json["code"].clone()));
    }
    answers
}

/// Asserts that every route refuses a caller, and that nothing changes.
async fn assert_refused(
    app: &TestApp,
    token: Option<&str>,
    user: &Tokens,
    status: u16,
    code: &str,
) {
    for (method, found, found_code) in call_all(app, token, user).await {
        assert_eq!((found, &found_code), (status, &json!(code)), "{method}");
    }
    assert_eq!(app.get("/me", Some(&user.access)).await.status, 200);
}

#[actix_web::test]
async fn routes_are_absent_unless_the_setting_is_on() {
    let app = TestApp::embedded().await;
    let admin = app.user_with_role("olga", "admin").await;
    assert_refused(&app, Some(&admin.access), &admin, 404, "not_found").await;
    let document = app.get("/openapi.json", None).await.json;
    assert!(!document["paths"].to_string().contains("/admin"));
}

#[apply(with_admin_api)]
async fn strangers_users_and_clients_are_refused(app: TestApp) {
    let client = app.client("gateway", &["admin"]);
    let user = app.new_user("ada").await;
    assert_refused(&app, None, &user, 401, "not_authenticated").await;
    assert_refused(&app, Some(&user.access), &user, 403, "permission_denied").await;
    assert_refused(&app, Some("x.y.z"), &user, 401, "token_not_valid").await;
    let token = app.client_token(&client).await;
    assert_refused(&app, Some(&token), &user, 403, "permission_denied").await;
    // A scope is no role, and a role of a similar name is another role.
    app.users(&["grant", "ada", "--scope", "admin", "--role", "Admin", "--role", "admins"]);
    let user = app.login("ada").await.tokens();
    assert_refused(&app, Some(&user.access), &user, 403, "permission_denied").await;
    // A caller without a role cannot fill the audit trail.
    assert_eq!(app.admin_calls(), [""; 0]);
}

#[actix_web::test]
async fn token_for_another_service_is_refused() {
    let app = TestApp::embedded_with(&[ADMIN_API, "--audience=api"]).await;
    let admin = app.user_with_role("olga", "admin").await;
    let body = json!({"username": "olga", "password": PASSWORD, "audience": "api"});
    let narrow = app.post("/login", body).await.tokens();
    assert_refused(&app, Some(&narrow.access), &admin, 401, "token_not_valid").await;
}

#[apply(with_admin_api)]
async fn support_reads_and_changes_nothing(app: TestApp) {
    app.client("gateway", &[]);
    let support = app.user_with_role("sven", "support").await;
    let user = app.new_user("ada").await;
    for (method, status, code) in call_all(&app, Some(&support.access), &user).await {
        match method {
            Method::GET => assert_eq!(status, 200),
            _ => assert_eq!((status, code), (403, json!("permission_denied")), "{method}"),
        }
    }
    assert_eq!(app.get("/me", Some(&user.access)).await.status, 200);
    let calls = app.admin_calls();
    assert_eq!(calls.len(), 15);
    let id = id_of(&user);
    assert!(calls.contains(&format!("sven GET /admin/users/{id} about ada")), "{calls:?}");
    let refused = format!(
        "sven DELETE /admin/users/{id} (refused: the role support may only read) about ada"
    );
    assert!(calls.contains(&refused), "{calls:?}");
    // With both roles, the user may change things.
    app.users(&["grant", "sven", "--role", "admin"]);
    let changed = app.admin_patch(&support, &id, None, json!({"grant_roles": ["editor"]})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
}

#[apply(with_admin_api)]
async fn old_login_is_asked_for_the_password_again(app: TestApp) {
    app.client("gateway", &[]);
    let admin = app.user_with_role("olga", "admin").await;
    app.advance(3700);
    let admin = app.refreshed(&admin.refresh).await;
    let user = app.new_user("ada").await;
    assert_refused(&app, Some(&admin.access), &user, 403, "reauthentication_required").await;
    let refused = app.get("/admin/users", Some(&admin.access)).await;
    let challenge = r#"Bearer error="insufficient_user_authentication", max_age="3600""#;
    assert_eq!(refused.header("www-authenticate"), challenge);
    let body = json!({"password": PASSWORD});
    assert_eq!(app.post_with(&admin.access, "/me/reauthenticate", body).await.status, 200);
    app.admin_get(&admin, "/admin/users").await;
    let calls = app.admin_calls();
    assert_eq!(calls[0], "olga GET /admin/users (refused: the login is not recent) about -");
}

#[apply(with_admin_api)]
async fn role_lost_in_mid_session_ends_the_power_at_once(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let other = app.user_with_role("other", "admin").await;
    let user = app.new_user("ada").await;
    app.admin_get(&other, "/admin/users").await;
    // By another administrator.
    let body = json!({"revoke_roles": ["admin"]});
    assert_eq!(app.admin_patch(&admin, &id_of(&other), None, body).await.status, 200);
    assert_refused(&app, Some(&other.access), &user, 403, "permission_denied").await;
    // The token has not changed: the database decides, in both directions.
    app.users(&["grant", "other", "--role", "admin"]);
    app.admin_get(&other, "/admin/users").await;
    // By an operator.
    app.users(&["revoke", "other", "--role", "admin"]);
    assert_refused(&app, Some(&other.access), &user, 403, "permission_denied").await;
    app.users(&["grant", "other", "--role", "support"]);
    let refused = app.admin_patch(&other, &id_of(&user), None, json!({"disabled": true})).await;
    refused.assert_problem(403, "permission_denied");
}

#[apply(with_admin_api)]
async fn role_lost_while_the_body_is_on_its_way_ends_the_power(app: TestApp) {
    let admin = app.user_with_role("olga", "admin").await;
    let user = app.new_user("ada").await;
    let (path, body) = (format!("/admin/users/{}", id_of(&user)), r#"{"grant_roles":["admin"]}"#);
    let mut connection = TcpStream::connect(app.addr).unwrap();
    let head = format!(
        "PATCH {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n",
        admin.access,
        body.len()
    );
    connection.write_all(head.as_bytes()).unwrap();
    // The service asks for the body.
    let mut answer = [0; 1024];
    let length = connection.read(&mut answer).unwrap();
    assert_eq!(&answer[..length], b"HTTP/1.1 100 Continue\r\n\r\n");
    app.users(&["revoke", "olga", "--role", "admin"]);
    connection.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    assert_eq!(app.users(&["show", "ada"])[0]["roles"], json!([]));
}

#[apply(with_admin_api)]
async fn ended_session_and_disabled_administrator_are_refused_at_once(app: TestApp) {
    for (name, command) in [
        ("olga", &["logout", "olga"][..]),
        ("other", &["disable", "other"]),
        ("third", &["delete", "third", "--yes"]),
    ] {
        let admin = app.user_with_role(name, "admin").await;
        app.admin_get(&admin, "/admin/users").await;
        app.users(command);
        let refused = app.get("/admin/users", Some(&admin.access)).await;
        refused.assert_problem(401, "token_not_valid");
    }
}

#[apply(with_admin_api)]
async fn cookie_of_an_administrator_works_from_trusted_pages_only(app: TestApp) {
    let user = app.new_user("ada").await;
    let browser = Browser::of_new_user(&app, "olga").await;
    browser.get("/admin/users").await.assert_problem(403, "permission_denied");
    app.users(&["grant", "olga", "--role", "admin"]);
    assert_eq!(browser.get("/admin/users").await.status, 200);
    let logout = format!("/admin/users/{}/logout", id_of(&user));
    let foreign = browser.post_from(APP_ORIGIN, &logout, None).await;
    foreign.assert_problem(403, "foreign_origin");
    let without_origin = browser.send(browser.request(Method::POST, &logout)).await;
    without_origin.assert_problem(403, "foreign_origin");
    assert_eq!(app.get("/me", Some(&user.access)).await.status, 200);
    assert_eq!(browser.post(&logout, None).await.json, json!({"sessions_ended": 1}));
    app.get("/me", Some(&user.access)).await.assert_problem(401, "token_not_valid");
}

#[actix_web::test]
async fn body_is_read_only_if_the_caller_may_call() {
    let app = TestApp::embedded_with(&[ADMIN_API]).await;
    let user = app.new_user("ada").await;
    let admin = app.user_with_role("olga", "admin").await;
    let path = format!("/admin/users/{}", id_of(&user));
    let malformed = |access: &str| {
        let request = app.request(Method::PATCH, &path).bearer_auth(access);
        app.send(request.header("content-type", "application/json").body("{"))
    };
    malformed(&user.access).await.assert_problem(403, "permission_denied");
    malformed(&admin.access).await.assert_problem(400, "parse_error");
}

#[actix_web::test]
async fn call_is_refused_if_it_cannot_be_recorded() {
    let (app, proxy) = TestApp::with_proxy(&[ADMIN_API, "--database-timeout=1"]).await;
    let admin = app.user_with_role("olga", "admin").await;
    app.admin_get(&admin, "/admin/users").await;
    proxy.cut();
    let refused = app.get(&format!("/admin/users/{NO_ID}"), Some(&admin.access)).await;
    refused.assert_problem(503, "unavailable");
    proxy.restore();
    app.wait_for_status("/readyz", 200).await;
    app.admin_get(&admin, "/admin/users").await;
}
