//! A user changes the username and the language.

use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{Answer, MailServer, claims_of, wait_until};

use crate::support::{
    TestApp,
    mail::{PASSWORD, deployed_with_mail, embedded_with_mail},
    on_both_stores,
};

async fn patch(app: &TestApp, access: &str, body: Value) -> Answer {
    app.send_with(access, Method::PATCH, "/me", body).await
}

#[apply(on_both_stores)]
async fn user_changes_the_username(app: TestApp) {
    let tokens = app.new_user("ada").await;
    let other = app.login("ada").await.tokens();
    let changed = patch(&app, &tokens.access, json!({"username": " lovelace ", "x": 1})).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!(changed.json["username"], "lovelace");
    assert_eq!(app.get("/me", Some(&tokens.access)).await.json, changed.json);
    // The next token of every session names the new username.
    for refresh in [tokens.refresh, other.refresh] {
        let refreshed = app.refreshed(&refresh).await;
        assert_eq!(claims_of(&refreshed.access)["preferred_username"], "lovelace");
    }
    assert_eq!(app.login("lovelace").await.status, 200);
    app.login("ada").await.assert_problem(401, "no_active_account");
    assert!(app.event_names("ada").contains(&"registration".to_owned()));
    // No other user gets the former name, but the user may return to it.
    let body = json!({"email": "x@example.com", "username": "ADA", "password": PASSWORD});
    app.post("/register", body).await.assert_fields(&["username"]);
    let grace = app.new_user("grace").await.access;
    patch(&app, &grace, json!({"username": "ada"})).await.assert_fields(&["username"]);
    let created = app.cli(&["users", "create", "ada", "--email", "x@example.com", "--code"]);
    assert!(!created.status.success());
    assert_eq!(patch(&app, &tokens.access, json!({"username": "Ada"})).await.status, 200);
    assert_eq!(app.get("/me", Some(&tokens.access)).await.json["username"], "Ada");
    let events = app.event_names("ada");
    assert_eq!(events.iter().filter(|name| *name == "username_changed").count(), 2);
}

#[apply(on_both_stores)]
async fn names_follow_the_rules_of_registration(app: TestApp) {
    let access = app.new_user("ada").await.access;
    app.new_user("grace").await;
    for name in
        ["GRACE", "admin", "аdmin", "pаypal", "ab", "a b", "01a20ee7-b215-7041-8694-ef34a8273545"]
    {
        patch(&app, &access, json!({"username": name})).await.assert_fields(&["username"]);
    }
    let taken = patch(&app, &access, json!({"username": "grace"})).await;
    assert_eq!(taken.json["errors"]["username"][0], "A user with that username already exists.");
    for body in [json!({"username": null}), json!({"username": ""}), json!({"username": 1})] {
        patch(&app, &access, body).await.assert_fields(&["username"]);
    }
    for unchanged in [json!({}), json!({"username": "ada"}), json!({"unknown": "x"})] {
        assert_eq!(patch(&app, &access, unchanged).await.status, 200);
    }
    assert!(!app.event_names("ada").contains(&"username_changed".to_owned()));
    let nothing = app.request(Method::PATCH, "/me").json(&json!({"username": "x"}));
    app.send(nothing).await.assert_problem(401, "not_authenticated");
    let options = app.send(app.request(Method::OPTIONS, "/me")).await;
    assert_eq!(options.header("allow"), "GET, HEAD, PATCH, DELETE, OPTIONS");
    let put = app.send(app.request(Method::PUT, "/me")).await;
    put.assert_problem(405, "method_not_allowed");
}

#[apply(on_both_stores)]
async fn user_chooses_the_language(app: TestApp) {
    let access = app.new_user("ada").await.access;
    assert_eq!(app.get("/me", Some(&access)).await.json["language"], "en");
    let changed = patch(&app, &access, json!({"language": "de"})).await;
    assert_eq!((changed.status, &changed.json["language"]), (200, &json!("de")));
    for bad in [json!("fr"), json!(""), json!(null), json!(["de"]), json!("DE")] {
        patch(&app, &access, json!({"language": bad})).await.assert_fields(&["language"]);
    }
    // A wrong field changes nothing.
    let both = json!({"username": "admin", "language": "en"});
    patch(&app, &access, both).await.assert_fields(&["username"]);
    assert_eq!(app.get("/me", Some(&access)).await.json["language"], "de");
}

#[actix_web::test]
async fn user_takes_at_most_ten_names() {
    let app = TestApp::embedded().await;
    let access = app.new_user("ada").await.access;
    for n in 0..10 {
        let renamed = patch(&app, &access, json!({"username": format!("name{n}")})).await;
        assert_eq!(renamed.status, 200, "{n}");
    }
    let refused = patch(&app, &access, json!({"username": "another"})).await;
    assert_eq!(refused.json["errors"]["username"][0], "The username was changed too often.");
    // The user may return to a former name, and has one fewer then.
    assert_eq!(patch(&app, &access, json!({"username": "NAME3"})).await.status, 200);
    let refused = patch(&app, &access, json!({"username": "another"})).await;
    refused.assert_fields(&["username"]);
    assert_eq!(patch(&app, &access, json!({"username": "name9"})).await.status, 200);
    // Another spelling of the same name is none of them.
    assert_eq!(patch(&app, &access, json!({"username": "NAME9"})).await.status, 200);
}

#[actix_web::test]
async fn one_of_many_users_gets_a_name() {
    let app = TestApp::deployed().await;
    let mut accesses = Vec::new();
    for name in ["ada", "grace", "mary", "joan"] {
        accesses.push(app.new_user(name).await.access);
    }
    let renames = accesses.iter().map(|access| patch(&app, access, json!({"username": "ruler"})));
    let answers = futures_util::future::join_all(renames).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|answer| [200, 400].contains(&answer.status)), "{answers:?}");
}

#[actix_web::test]
async fn former_name_is_free_with_the_last_event_of_its_user() {
    let app = TestApp::embedded_with(&["--audit-retention=1"]).await;
    let access = app.new_user("ada").await.access;
    assert_eq!(patch(&app, &access, json!({"username": "lovelace"})).await.status, 200);
    wait_until("the name is free", async || {
        app.cli(&["cleanup", "--audit-retention=1"]);
        let body = json!({"email": "x@example.com", "username": "ada", "password": PASSWORD});
        app.post("/register", body).await.status == 201
    })
    .await;
}

#[actix_web::test]
async fn own_former_names_do_not_count() {
    let app = TestApp::embedded().await;
    let access = app.new_user("ada").await.access;
    for n in 0..24 {
        let next = ["lovelace", "ada"][n % 2];
        assert_eq!(patch(&app, &access, json!({"username": next})).await.status, 200, "{n}");
    }
    let export = app.get("/me/export", Some(&access)).await.json;
    let former = export["former_usernames"].as_array().unwrap();
    assert_eq!(former.len(), 1, "{former:?}");
    assert_eq!(former[0]["username"], "lovelace");
}

async fn user_gets_a_mail_about_the_new_name(app: TestApp, server: MailServer) {
    let changed = "Your username was changed";
    let access = app.new_user("ada").await.access;
    assert_eq!(patch(&app, &access, json!({"username": "lovelace"})).await.status, 200);
    let mail = server.wait_for("ada@example.com", changed).await;
    assert!(mail.text.contains("from ada to lovelace"), "{}", mail.text);
    for n in 0..11 {
        let next = ["LOVELACE", "lovelace"][n % 2];
        assert_eq!(patch(&app, &access, json!({"username": next})).await.status, 200, "{n}");
    }
    // No user can fill the mailbox of another person. A later mail follows these.
    app.post("/password/reset", json!({"email": "ada@example.com"})).await;
    server.wait_for("ada@example.com", "Set a new password").await;
    let mails = server.mails();
    assert_eq!(mails.iter().filter(|mail| mail.subject == changed).count(), 10);
}

#[actix_web::test]
async fn user_gets_a_mail_about_the_new_name_on_postgres() {
    let (app, server) = deployed_with_mail(&[]).await;
    user_gets_a_mail_about_the_new_name(app, server).await;
}

#[actix_web::test]
async fn user_gets_a_mail_about_the_new_name_on_sqlite() {
    let (app, server) = embedded_with_mail(&[]).await;
    user_gets_a_mail_about_the_new_name(app, server).await;
}

#[actix_web::test]
async fn change_of_username_needs_a_recent_login() {
    let app = TestApp::embedded_with(&["--recent-login=60"]).await;
    let access = app.new_user("ada").await.access;
    app.advance(61);
    for name in ["lovelace", "ADA"] {
        let refused = patch(&app, &access, json!({"username": name, "language": "de"})).await;
        refused.assert_problem(403, "reauthentication_required");
    }
    assert_eq!(app.get("/me", Some(&access)).await.json["language"], "en");
    // A form sends the present name, too.
    let unchanged = patch(&app, &access, json!({"username": "ada", "language": "de"})).await;
    assert_eq!((unchanged.status, &unchanged.json["language"]), (200, &json!("de")));
}

#[apply(on_both_stores)]
async fn new_username_has_the_counter_of_the_former_one(app: TestApp) {
    let access = app.new_user("ada").await.access;
    for _ in 0..5 {
        assert_eq!(app.login_with("ada", "wrong horse battery").await.status, 401);
    }
    assert_eq!(patch(&app, &access, json!({"username": "lovelace"})).await.status, 200);
    let refused = app.login_with("lovelace", "wrong horse battery").await;
    refused.assert_problem(429, "throttled");
    // The address has a counter of its own.
    assert_eq!(app.login_with("ada@example.com", PASSWORD).await.status, 200);
}
