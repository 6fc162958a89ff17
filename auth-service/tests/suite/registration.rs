//! `POST /register`: validation, and concurrent registrations of one name.

use crate::support::{TestApp, on_both_stores};
use futures_util::future::join_all;
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::json;
use test_support::claims_of;

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
async fn unknown_field_grants_nothing() {
    let app = TestApp::embedded().await;
    let mut body =
        json!({"email": "ada@example.com", "username": "ada", "password": "correct horse battery"});
    body["is_staff"] = json!(true);
    body["scope"] = json!("admin");
    assert_eq!(app.post("/register", body).await.status, 201);
    let claims = claims_of(&app.login("ada").await.tokens().access);
    assert_eq!([claims.get("scope"), claims.get("roles")], [None, None]);
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
    let own = ["LoveLace", "Ada.L@example.com", "lovelace-1815", "Lovelace123456"];
    for bad in ["1234567", "password123", "PassWord123", "~~~~~~~~~~~~"].iter().chain(&own) {
        register((*bad).into()).await.assert_fields(&["password"]);
    }
    register("x~".repeat(513)).await.assert_fields(&["password"]);
    assert_eq!(register("x~".repeat(512)).await.status, 201);
    // The hash covers every byte.
    let shorter = &"x~".repeat(512)[..1023];
    app.login_with("lovelace", shorter).await.assert_problem(401, "no_active_account");
    let tokens = app.login_with("lovelace", &"x~".repeat(512)).await.tokens();
    for bad in own {
        let body = json!({"old_password": "x~".repeat(512), "new_password": bad});
        let request = app.request(Method::POST, "/password").bearer_auth(&tokens.access);
        app.send(request.json(&body)).await.assert_fields(&["new_password"]);
    }
}

#[actix_web::test]
async fn minimum_length_of_a_password_is_a_setting() {
    let app = TestApp::embedded_with(&["--password-min-length=15"]).await;
    let register = |password: &str| {
        let body = json!({"email": "a@example.com", "username": "ada", "password": password});
        app.post("/register", body)
    };
    let answer = register("fourteen chars").await;
    let message = "This password is too short. It must contain at least 15 characters.";
    assert_eq!(answer.json["errors"], json!({"password": [message]}));
    assert_eq!(register("fifteen letters").await.status, 201);
}

#[actix_web::test]
async fn names_that_impersonate_are_refused() {
    let app = TestApp::embedded().await;
    let reserved = json!(["This username is reserved."]);
    // Some letters are Cyrillic.
    for name in ["admin", "ROOT", "r00t", "post-master", "ѕuррort", "аdmіn"] {
        let answer = app.register(name).await;
        answer.assert_fields(&["username"]);
        assert_eq!(answer.json["errors"]["username"], reserved, "{name}");
    }
    let mixed = json!(["This username mixes letters of several scripts."]);
    assert_eq!(app.register("аda").await.json["errors"]["username"], mixed);
    for (name, email) in [("ада", "a@example.com"), ("tokyo東京", "b@example.com")] {
        let body = json!({"email": email, "username": name, "password": "correct horse battery"});
        assert_eq!(app.post("/register", body).await.status, 201, "{name}");
    }
    let other = TestApp::embedded_with(&["--reserved-names=boss"]).await;
    other.register("bo-ss").await.assert_fields(&["username"]);
    assert_eq!(other.register("admin").await.status, 201);
}

#[actix_web::test]
async fn closed_registration_is_answered_whatever_the_body_is() {
    let app = TestApp::embedded_with(&["--registration=closed"]).await;
    app.register("ada").await.assert_problem(403, "registration_closed");
    app.post("/register", json!({})).await.assert_problem(403, "registration_closed");
    app.login("ada").await.assert_problem(401, "no_active_account");
}

#[apply(on_both_stores)]
async fn spellings_of_one_name_or_address_belong_to_one_user(app: TestApp) {
    let register = |username: &str, email: &str| {
        let password = "correct horse battery";
        app.post("/register", json!({"username": username, "email": email, "password": password}))
    };
    assert_eq!(register("straße", "ada@exämple.de").await.status, 201);
    for (username, email, wrong) in [
        ("STRAẞE", "other@example.com", "username"),
        ("other", "ada@xn--exmple-cua.de", "email"),
        ("other", "\"ada\"@EXÄMPLE.de", "email"),
        ("other", "ada@xn--zzzzzzz99.de", "email"),
    ] {
        register(username, email).await.assert_fields(&[wrong]);
    }
    for name in ["STRASSE", "STRAẞE", "ada@xn--exmple-cua.de", "ADA@EXÄMPLE.de"] {
        assert_eq!(app.login(name).await.status, 200, "{name}");
    }
}

#[actix_web::test]
async fn usernames_are_normalised() {
    let app = TestApp::embedded().await;
    let body =
        json!({"email": "z@example.com", "username": "Ｚｏë", "password": "correct horse battery"});
    assert_eq!(app.post("/register", body).await.json["username"], "Zoë");
    assert_eq!(app.login("ZOË").await.status, 200);
}
