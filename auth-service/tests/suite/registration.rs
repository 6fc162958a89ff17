//! `POST /register`: validation, and concurrent registrations of one name.

use crate::support::{TestApp, on_both_stores};
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::json;

#[apply(on_both_stores)]
async fn concurrent_registrations_of_one_name_create_one_user(app: TestApp) {
    for round in 0..3 {
        // Two spellings of one name and one address.
        let attempts = (0..8).map(|number| {
            let mut name = format!("twin{round}");
            if number % 2 == 0 {
                name = name.to_uppercase();
            }
            let app = &app;
            async move { app.register(&name).await }
        });
        let answers = join_all(attempts).await;
        let created = answers.iter().filter(|answer| answer.status == 201).count();
        assert_eq!(created, 1, "{answers:?}");
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            answer.assert_fields(&["email", "username"]);
        }
        assert_eq!(app.login(&format!("twin{round}")).await.status, 200);
    }
}

#[apply(on_both_stores)]
async fn taken_username_or_email_is_named(app: TestApp) {
    app.register("ada").await;
    let register = |username: &str, email: &str| {
        app.post(
            "/register",
            json!({"username": username, "email": email, "password": "correct horse battery"}),
        )
    };
    let answer = register("ADA", "other@example.com").await;
    answer.assert_fields(&["username"]);
    assert_eq!(
        answer.json["errors"]["username"],
        json!(["A user with that username already exists."])
    );
    let answer = register("other", "ADA@EXAMPLE.COM").await;
    answer.assert_fields(&["email"]);
    assert_eq!(answer.json["errors"]["email"], json!(["A user with that email already exists."]));
    register("ada", "ada@example.com").await.assert_fields(&["email", "username"]);
}

#[actix_web::test]
async fn all_invalid_fields_are_named_in_one_answer() {
    let app = TestApp::embedded().await;
    let answer = app
        .post(
            "/register",
            json!({"email": "not an address", "username": "a!", "password": "short"}),
        )
        .await;
    answer.assert_fields(&["email", "password", "username"]);
    assert_eq!(
        answer.json["errors"],
        json!({
            "email": ["Enter a valid email address."],
            "password": ["This password is too short. It must contain at least 8 characters."],
            "username": [
                "Ensure this field has at least 3 characters.",
                "Enter a valid username: letters, digits and _ . - only.",
            ],
        })
    );
    app.post("/register", json!({})).await.assert_fields(&["email", "password", "username"]);
    let answer = app.post("/register", json!({"email": 1, "username": null, "password": []})).await;
    assert_eq!(
        answer.json["errors"],
        json!({
            "email": ["Not a valid string."],
            "password": ["Not a valid string."],
            "username": ["This field may not be null."],
        })
    );
}

#[actix_web::test]
async fn unknown_field_is_named() {
    let app = TestApp::embedded().await;
    let mut body =
        json!({"email": "ada@example.com", "username": "ada", "password": "correct horse battery"});
    body["is_staff"] = json!(true);
    app.post("/register", body).await.assert_fields(&["is_staff"]);
    app.login("ada").await.assert_problem(401, "no_active_account");
}

#[actix_web::test]
async fn short_common_and_personal_passwords_are_rejected() {
    let app = TestApp::embedded().await;
    let register = |password: String| {
        app.post(
            "/register",
            json!({"email": "ada.l@example.com", "username": "lovelace", "password": password}),
        )
    };
    for bad in ["1234567", "password123", "PassWord123", "LoveLace", "Ada.L@example.com"] {
        register(bad.into()).await.assert_fields(&["password"]);
    }
    register("x".repeat(1025)).await.assert_fields(&["password"]);
    assert_eq!(register("~".repeat(1024)).await.status, 201);
    // The hash covers every byte.
    app.login_with("lovelace", &"~".repeat(1023)).await.assert_problem(401, "no_active_account");
    assert_eq!(app.login_with("lovelace", &"~".repeat(1024)).await.status, 200);
}

#[actix_web::test]
async fn usernames_are_normalised() {
    let app = TestApp::embedded().await;
    let body =
        json!({"email": "z@example.com", "username": "Ｚｏë", "password": "correct horse battery"});
    assert_eq!(app.post("/register", body).await.json["username"], "Zoë");
    assert_eq!(app.login("ZOË").await.status, 200);
}
