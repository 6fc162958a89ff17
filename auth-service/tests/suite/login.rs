//! `POST /login`: accepted credentials, uniform errors, and overload.

use crate::support::{TestApp, on_both_stores};
use diesel::{Connection, RunQueryDsl, SqliteConnection, prelude::*, sql_query, sql_types::Text};
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::json;

#[apply(on_both_stores)]
async fn username_or_email_is_accepted_in_either_field_and_any_case(app: TestApp) {
    app.register("ada").await;
    for (field, name) in [
        ("username", "ADA"),
        ("email", "Ada@Example.com"),
        ("username", "ada@example.com"),
        ("email", "ada"),
    ] {
        let answer =
            app.post("/login", json!({field: name, "password": "correct horse battery"})).await;
        assert_eq!(answer.status, 200, "{field} {name}: {answer:?}");
    }
}

#[apply(on_both_stores)]
async fn unknown_user_and_wrong_password_get_the_same_answer(app: TestApp) {
    app.register("ada").await;
    let wrong = app.login_with("ada", "wrong").await;
    wrong.assert_problem(401, "no_active_account");
    for name in ["grace", "unknown@example.com", "a\0da", "' OR 1=1 --", "x", &"ada".repeat(9999)] {
        let answer = app.login_with(name, "wrong").await;
        assert_eq!((answer.status, &answer.json), (401, &wrong.json), "{name}");
    }
}

#[actix_web::test]
async fn missing_fields_are_named() {
    let app = TestApp::embedded().await;
    app.post("/login", json!({})).await.assert_fields(&["password", "username"]);
    app.post("/login", json!({"email": "", "password": ""}))
        .await
        .assert_fields(&["email", "password"]);
    let both = json!({"email": "ada@example.com", "username": "ada", "password": "x"});
    app.post("/login", both).await.assert_fields(&["email"]);
}

#[derive(QueryableByName)]
struct Stored {
    #[diesel(sql_type = Text)]
    password_hash: String,
}

#[actix_web::test]
async fn django_hash_is_accepted_and_replaced() {
    let app = TestApp::embedded().await;
    app.register("ada").await;
    let file = app.folder.path().join("auth.sqlite3");
    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    // Hashes of "lètmein" from Django 5.2.
    for django in [
        "pbkdf2_sha256$1000000$seasalt$r1uLUxoxpP2Ued/qxvmje7UH9PUJBkRrvf9gGPL7Cps=",
        "bcrypt$$2b$06$5ZaZ6W7NLriwPUGn1evAgu32chNE5t5gAukrHq2htz8KRETv.dwWu",
        "$2b$06$5ZaZ6W7NLriwPUGn1evAgu32chNE5t5gAukrHq2htz8KRETv.dwWu",
        "bcrypt_sha256$$2b$06$U8Yhqbk9w9KhXf9wdXhJQOqK/gHTuktleCZVImW/Mu5EK2BRTeXTi",
    ] {
        sql_query("UPDATE users SET password_hash = ?")
            .bind::<Text, _>(django)
            .execute(&mut connection)
            .unwrap();
        app.login_with("ada", "letmein").await.assert_problem(401, "no_active_account");
        let stored = || sql_query("SELECT password_hash FROM users");
        assert_eq!(stored().get_result::<Stored>(&mut connection).unwrap().password_hash, django);
        assert_eq!(app.login_with("ada", "lètmein").await.status, 200, "{django}");
        let now = stored().get_result::<Stored>(&mut connection).unwrap().password_hash;
        assert!(now.starts_with("bcrypt_sha256$$2b$10$"), "{now}");
        assert_eq!(app.login_with("ada", "lètmein").await.status, 200);
    }
}

#[actix_web::test]
async fn concurrent_logins_that_replace_one_old_hash_all_succeed() {
    let app = TestApp::embedded_with(&["--hash-threads=2", "--hash-queue=16"]).await;
    app.register("ada").await;
    let file = app.folder.path().join("auth.sqlite3");
    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    sql_query("UPDATE users SET password_hash = ?")
        .bind::<Text, _>("$2b$06$5ZaZ6W7NLriwPUGn1evAgu32chNE5t5gAukrHq2htz8KRETv.dwWu")
        .execute(&mut connection)
        .unwrap();
    for answer in join_all((0..8).map(|_| app.login_with("ada", "lètmein"))).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[actix_web::test]
async fn a_flood_of_logins_is_rejected_and_other_requests_continue() {
    let app =
        TestApp::embedded_with(&["--hash-threads=1", "--hash-queue=1", "--bcrypt-cost=13"]).await;
    let tokens = app.new_user("ada").await;
    let flood = join_all((0..100).map(|_| app.login("ada")));
    let others = async {
        let mut refresh = tokens.refresh.clone();
        for _ in 0..5 {
            refresh = app.refreshed(&refresh).await.refresh;
            assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
        }
    };
    let (answers, ()) = futures_util::future::join(flood, others).await;
    let accepted = answers.iter().filter(|answer| answer.status == 200).count();
    assert!((1..100).contains(&accepted), "{accepted} of 100 were accepted");
    for answer in answers.iter().filter(|answer| answer.status != 200) {
        answer.assert_problem(503, "busy");
    }
    assert_eq!(app.login("ada").await.status, 200);
}
