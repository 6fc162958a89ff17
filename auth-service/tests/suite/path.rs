//! The whole life of a session, with every answer asserted completely.

use crate::support::{TestApp, on_both_stores};
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::json;
use test_support::claims_of;

#[apply(on_both_stores)]
async fn user_registers_logs_in_refreshes_verifies_and_logs_out(app: TestApp) {
    let credentials =
        json!({"email": "Ada@example.com", "username": "Ada", "password": "correct horse battery"});
    let registered = app.post("/register", credentials).await;
    assert_eq!(registered.status, 201);
    let id = registered.json["id"].as_str().unwrap();
    assert_eq!(registered.json, json!({"id": id, "email": "Ada@example.com", "username": "Ada"}));

    let logged_in = app.login("ada").await;
    assert_eq!(logged_in.status, 200);
    assert_eq!(logged_in.header("cache-control"), "no-store");
    let first = logged_in.tokens();
    assert_eq!(
        logged_in.json,
        json!({
            "username": "Ada",
            "email": "Ada@example.com",
            "tokens": {"refresh": first.refresh, "access": first.access},
        })
    );

    let me = app.get("/me", Some(&first.access)).await;
    assert_eq!(
        (me.status, me.json),
        (
            200,
            json!({
                "id": id,
                "email": "Ada@example.com",
                "username": "Ada",
                "email_verified": false,
                "external_id": null,
                "language": "en"
            })
        )
    );

    let refreshed = app.refresh(&first.refresh).await;
    assert_eq!(refreshed.status, 200);
    let second = refreshed.tokens();
    assert_eq!(refreshed.json, json!({"access": second.access, "refresh": second.refresh}));
    assert_ne!(first, second);
    assert_eq!(claims_of(&second.access)["sid"], claims_of(&first.access)["sid"]);

    for token in [&second.access, &second.refresh] {
        let verified = app.post("/token/verify", json!({"token": token})).await;
        assert_eq!((verified.status, verified.json), (200, json!({})));
    }

    let logged_out = app.logout(&second).await;
    assert_eq!((logged_out.status, logged_out.json), (204, json!(null)));
    app.refresh(&second.refresh).await.assert_problem(401, "token_not_valid");
    for token in [&second.access, &second.refresh] {
        app.post("/token/verify", json!({"token": token}))
            .await
            .assert_problem(401, "token_not_valid");
    }
    app.get("/me", Some(&second.access)).await.assert_problem(401, "token_not_valid");
}

#[apply(on_both_stores)]
async fn routes_accept_a_trailing_slash(app: TestApp) {
    let credentials =
        json!({"email": "ada@example.com", "username": "ada", "password": "correct horse battery"});
    assert_eq!(app.post("/register/", credentials).await.status, 201);
    let login = json!({"username": "ada", "password": "correct horse battery"});
    let tokens = app.post("/login/", login).await.tokens();
    assert_eq!(app.get("/me/", Some(&tokens.access)).await.status, 200);
    assert_eq!(app.post("/token/verify/", json!({"token": tokens.access})).await.status, 200);
    let tokens = app.post("/token/refresh/", json!({"refresh": tokens.refresh})).await.tokens();
    let logout = app.request(Method::POST, "/logout/").bearer_auth(&tokens.access);
    assert_eq!(app.send(logout.json(&json!({"refresh": tokens.refresh}))).await.status, 204);
}

#[actix_web::test]
async fn unknown_paths_and_wrong_methods_get_problem_details() {
    let app = TestApp::embedded().await;
    app.get("/nowhere", None).await.assert_problem(404, "not_found");
    app.get("/login/extra", None).await.assert_problem(404, "not_found");
    let answer = app.get("/login", None).await;
    answer.assert_problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "POST, OPTIONS");
    let answer = app.post("/me", json!({})).await;
    answer.assert_problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), "GET, HEAD, PATCH, DELETE, OPTIONS");
    // A route that allows GET also allows HEAD.
    let head = app.request(Method::HEAD, "/.well-known/jwks.json").send().await.unwrap();
    assert_eq!((head.status().as_u16(), head.bytes().await.unwrap().len()), (200, 0));
}
