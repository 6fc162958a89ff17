//! `POST /login`: accepted credentials, uniform errors, and overload.

use crate::{
    metrics::metric,
    support::{TestApp, on_both_stores, open_sqlite},
};
use diesel::{RunQueryDsl, prelude::*, sql_query, sql_types::Text};
use futures_util::future::join_all;
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::json;
use test_support::{sql, wait_until};

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
    let mut connection = open_sqlite(&app.folder);
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
        let current = format!("bcrypt_sha256$$2b${:02}$", app.settings.bcrypt_cost);
        assert!(now.starts_with(&current), "{now}");
        assert_eq!(app.login_with("ada", "lètmein").await.status, 200);
    }
}

#[actix_web::test]
async fn unknown_names_cost_the_kinds_of_hashes_that_are_stored() {
    let app = TestApp::deployed().await;
    for name in ["ada", "grace", "barbara", "hedy"] {
        app.register(name).await;
    }
    let imported = "UPDATE credentials SET data = 'pbkdf2_sha256$1000$salt$\
         r1uLUxoxpP2Ued/qxvmje7UH9PUJBkRrvf9gGPL7Cps=' WHERE user_id IN \
         (SELECT id FROM users WHERE username IN ('ada', 'grace'))";
    assert_eq!(sql(&app.database.as_ref().unwrap().url(), imported), 2);
    // A replica counts the stored hashes at its start.
    let replica = app
        .replica_with(|settings| {
            settings.login_failures_per_name = 0;
            settings.login_failures_per_address = 0;
        })
        .await;
    replica.wait_for_status("/readyz", 200).await;
    let pbkdf2_hashes =
        async || metric(&replica, "auth_password_hashes_total{kind=\"pbkdf2\"}").await;
    let costs_pbkdf2 = async |name: &str| {
        let before = pbkdf2_hashes().await;
        replica.login_with(name, "wrong").await.assert_problem(401, "no_active_account");
        pbkdf2_hashes().await > before
    };
    wait_until("the stored hashes are counted", async || {
        for number in 0..8 {
            if costs_pbkdf2(&format!("early{number}")).await {
                return true;
            }
        }
        false
    })
    .await;
    let mut kinds = Vec::new();
    for number in 0..14 {
        kinds.push(costs_pbkdf2(&format!("unknown{number}")).await);
    }
    for (number, is_pbkdf2) in kinds.iter().enumerate().take(3) {
        let name = format!("unknown{number}");
        assert_eq!(costs_pbkdf2(&name).await, *is_pbkdf2, "{name}");
    }
    assert!(kinds.contains(&true) && kinds.contains(&false), "{kinds:?}");
    assert!(costs_pbkdf2("ada").await && !costs_pbkdf2("hedy").await);
    assert!(app.cli(&["users", "disable", "grace"]).status.success());
    assert!(costs_pbkdf2("grace").await);
}

#[actix_web::test]
async fn password_is_accepted_however_its_letters_are_composed() {
    let app = TestApp::embedded().await;
    // A letter may be one code point, or a base and an accent.
    let composed = "pass\u{e9} compos\u{e9}";
    let decomposed = "passe\u{301} compose\u{301}";
    for (name, registered) in [("ada", composed), ("grace", decomposed)] {
        let email = format!("{name}@example.com");
        let body = json!({"email": email, "username": name, "password": registered});
        assert_eq!(app.post("/register", body).await.status, 201);
        for typed in [composed, decomposed] {
            assert_eq!(app.login_with(name, typed).await.status, 200, "{name} {typed:?}");
        }
        app.login_with(name, "passe compose").await.assert_problem(401, "no_active_account");
    }
    let tokens = app.login_with("ada", composed).await.tokens();
    let body = json!({"old_password": decomposed, "new_password": "correct horse battery"});
    let request = app.request(Method::POST, "/password").bearer_auth(&tokens.access).json(&body);
    assert_eq!(app.send(request).await.status, 204);
}

#[actix_web::test]
async fn hash_of_a_decomposed_password_is_accepted_and_replaced() {
    let app = TestApp::embedded().await;
    app.register("ada").await;
    let mut connection = open_sqlite(&app.folder);
    let decomposed = "le\u{300}tmein";
    let old = format!("bcrypt${}", bcrypt::hash(decomposed, 10).unwrap());
    sql_query("UPDATE users SET password_hash = ?")
        .bind::<Text, _>(&old)
        .execute(&mut connection)
        .unwrap();
    app.login_with("ada", "letmein").await.assert_problem(401, "no_active_account");
    // The hash is of other bytes, and no login has replaced it yet.
    app.login_with("ada", "lètmein").await.assert_problem(401, "no_active_account");
    assert_eq!(app.login_with("ada", decomposed).await.status, 200);
    assert_eq!(app.login_with("ada", "lètmein").await.status, 200);
}

#[actix_web::test]
async fn concurrent_logins_that_replace_one_old_hash_all_succeed() {
    let app = TestApp::embedded_with(&["--hash-threads=2", "--hash-queue=16"]).await;
    app.register("ada").await;
    let mut connection = open_sqlite(&app.folder);
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
