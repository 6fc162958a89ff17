//! Actions that ask for a recent login, and the proof of the password within a session.

use rstest_reuse::apply;
use serde_json::json;
use test_support::claims_of;

use crate::support::{TestApp, mail::PASSWORD, on_both_stores};

#[apply(on_both_stores)]
async fn old_login_is_asked_for_the_password_again(app: TestApp) {
    let tokens = app.new_user("ada").await;
    let login = claims_of(&tokens.access)["auth_time"].as_i64().unwrap();
    assert!((app.clock.now_secs() - login).abs() < 60);
    assert_eq!(app.get("/me/export", Some(&tokens.access)).await.status, 200);
    app.advance(3700);
    let tokens = app.refreshed(&tokens.refresh).await;
    assert_eq!(claims_of(&tokens.access)["auth_time"], login);
    let refused = app.get("/me/export", Some(&tokens.access)).await;
    refused.assert_problem(403, "reauthentication_required");
    let challenge = r#"Bearer error="insufficient_user_authentication", max_age="3600""#;
    assert_eq!(refused.header("www-authenticate"), challenge);
    let body = json!({"password": PASSWORD});
    let again = app.post_with(&tokens.access, "/me/reauthenticate", body).await;
    assert_eq!(again.status, 200, "{again:?}");
    let access = again.json["access"].as_str().unwrap();
    let claims = claims_of(access);
    assert!(claims["auth_time"].as_i64().unwrap() >= login + 3700);
    let before = claims_of(&tokens.access);
    for name in ["sub", "sid", "aud", "preferred_username", "client_id"] {
        assert_eq!(claims[name], before[name], "{name}");
    }
    assert_eq!(app.get("/me/export", Some(access)).await.status, 200);
    // The session remembers it: older tokens and refreshed tokens are accepted too.
    assert_eq!(app.get("/me/export", Some(&tokens.access)).await.status, 200);
    let tokens = app.refreshed(&tokens.refresh).await;
    assert_eq!(claims_of(&tokens.access)["auth_time"], claims["auth_time"]);
    let tokens = app.refreshed(&tokens.refresh).await;
    assert_eq!(claims_of(&tokens.access)["auth_time"], claims["auth_time"]);
    assert!(app.event_names("ada").contains(&"reauthenticated".to_owned()));
}

#[actix_web::test]
async fn wrong_passwords_are_counted_for_the_session() {
    let app = TestApp::embedded().await;
    let access = app.new_user("ada").await.access;
    for body in [json!({}), json!({"password": ""}), json!({"password": 1})] {
        app.post_with(&access, "/me/reauthenticate", body).await.assert_fields(&["password"]);
    }
    for _ in 0..5 {
        let body = json!({"password": "wrong horse battery"});
        let wrong = app.post_with(&access, "/me/reauthenticate", body).await;
        wrong.assert_fields(&["password"]);
    }
    // All routes that verify the current password share the counter.
    let body = json!({"password": PASSWORD});
    let again = app.post_with(&access, "/me/reauthenticate", body.clone()).await;
    again.assert_problem(429, "throttled");
    let deleted = app.send_with(&access, reqwest::Method::DELETE, "/me", body).await;
    deleted.assert_problem(429, "throttled");
    // A new name does not reset it.
    let name = json!({"username": "ada2"});
    let renamed = app.send_with(&access, reqwest::Method::PATCH, "/me", name).await;
    assert_eq!(renamed.status, 200);
    let body = json!({"password": PASSWORD});
    let again = app.post_with(&access, "/me/reauthenticate", body).await;
    again.assert_problem(429, "throttled");
    app.post("/me/reauthenticate", json!({})).await.assert_problem(401, "not_authenticated");
}

#[actix_web::test]
async fn new_token_grants_no_more_than_the_one_before() {
    let app = TestApp::embedded_with(&["--audience=api,other"]).await;
    app.register("ada").await;
    app.cli(&["users", "grant", "ada", "--scope", "read", "--scope", "write"]);
    let tokens = app.login("ada").await.tokens();
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", &*tokens.refresh),
        ("scope", "read"),
        ("resource", &*app.issuer),
    ];
    let request = app.request(reqwest::Method::POST, "/oauth/token").form(&form);
    let narrow = app.send(request).await;
    let narrow = narrow.json["access_token"].as_str().unwrap();
    let body = json!({"password": PASSWORD});
    let again = app.post_with(narrow, "/me/reauthenticate", body).await;
    let claims = claims_of(again.json["access"].as_str().unwrap());
    assert_eq!((&claims["scope"], &claims["aud"]), (&json!("read"), &json!(app.issuer)));
}
