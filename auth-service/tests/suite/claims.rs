//! Scopes and roles: granted on the command line, in the next token a moment later, and never brought back by an older
//! refresh token.

use std::process::Command;

use crate::support::TestApp;
use serde_json::{Value, json};
use test_support::{RedisServer, Tokens, claims_of};

/// Runs `auth-service users` beside the app, on its database.
fn users(app: &TestApp, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
    command.env_clear().env("DATA_DIR", app.folder.path()).arg("users").args(args);
    if let Some(database) = &app.database {
        command.env("DATABASE_URL", database.url());
    }
    let output = command.output().unwrap();
    let (shown, errors) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    if output.status.success() { shown } else { errors }
}

fn granted(token: &str) -> (Value, Value) {
    let claims = claims_of(token);
    (json!(claims["scope"].as_str().unwrap_or_default()), claims["roles"].clone())
}

/// Refreshes until the new tokens grant this.
async fn until_granted(app: &TestApp, tokens: Tokens, expected: (Value, Value)) -> Tokens {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    let mut tokens = tokens;
    while granted(&tokens.access) != expected {
        assert!(
            std::time::Instant::now() < deadline,
            "{:?} does not become {expected:?}",
            granted(&tokens.access)
        );
        tokens = app.refreshed(&tokens.refresh).await;
    }
    tokens
}

on_both! {
    async fn a_grant_is_in_the_tokens_from_the_next_refresh_on(app: TestApp) {
        let tokens = app.new_user("ada").await;
        assert_eq!(granted(&tokens.access), (json!(""), Value::Null));

        let shown = users(&app, &["grant", "ADA", "--scope", "reports:read", "--scope", "x", "--role", "editor"]);
        assert!(shown.contains("scopes   reports:read x\nroles    editor\n"), "{shown}");
        let everything = (json!("reports:read x"), json!(["editor"]));
        let tokens = until_granted(&app, tokens, everything.clone()).await;
        // A new login has it at once, and a refresh keeps it.
        assert_eq!(granted(&app.login("ada").await.tokens().access), everything);
        let newer = app.refreshed(&tokens.refresh).await;
        assert_eq!(granted(&newer.access), everything);

        let shown = users(&app, &["revoke", "ada@example.com", "--scope", "x", "--role", "editor"]);
        assert!(shown.contains("scopes   reports:read\nroles    \n"), "{shown}");
        until_granted(&app, newer, (json!("reports:read"), Value::Null)).await;
    }

    async fn an_older_token_within_grace_brings_no_older_claims_back(app: TestApp) {
        let first = app.new_user("ada").await;
        users(&app, &["grant", "ada", "--role", "editor"]);
        let editor = (json!(""), json!(["editor"]));
        // Two tabs with one token, of which the second is slow.
        let mut older = first.clone();
        let mut newest = first;
        while granted(&newest.access) != editor {
            older = newest.clone();
            newest = app.refreshed(&newest.refresh).await;
        }
        let again = app.refreshed(&older.refresh).await;
        assert_eq!(granted(&again.access), editor);
        assert_eq!(granted(&app.refreshed(&again.refresh).await.access), editor);
    }
}

#[actix_web::test]
async fn a_change_outlives_the_loss_of_redis() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let (refreshing, idle) = (app.new_user("ada").await, app.login("ada").await.tokens());
    users(&app, &["grant", "ada", "--role", "editor"]);
    let editor = (json!(""), json!(["editor"]));
    until_granted(&app, refreshing, editor.clone()).await;
    app.advance(6);
    // Long enough for the change to be held for settled.
    app.wait_for_status("/readyz", 200).await;
    redis.wipe();
    assert_eq!(granted(&app.refreshed(&idle.refresh).await.access), editor);
}

#[actix_web::test]
async fn what_cannot_be_granted_is_refused_in_one_line() {
    let app = TestApp::embedded().await;
    app.register("ada").await;
    for (args, expected) in [
        (vec!["grant", "nobody", "--role", "editor"], "error: there is no user nobody"),
        (vec!["grant", "ada"], "error: name at least one: --scope NAME or --role NAME"),
        (vec!["grant", "ada", "--scope", "two words"], "error: invalid value 'two words'"),
        (vec!["grant", "ada", "--role", ""], "error: "),
        (vec!["show", "no such user"], "error: there is no user no such user"),
    ] {
        let shown = users(&app, &args);
        assert!(shown.starts_with(expected) && shown.lines().count() == 1, "{args:?}: {shown}");
    }
    let shown = users(&app, &["show", "ada"]);
    assert!(shown.contains("username ada\nemail    ada@example.com\nscopes   \nroles    \n"), "{shown}");
}

#[actix_web::test]
async fn a_role_taken_during_a_login_does_not_stay() {
    // So costly a hash that the role is taken while it is computed.
    let app = TestApp::embedded_with(&["--bcrypt-cost=14"]).await;
    app.register("ada").await;
    users(&app, &["grant", "ada", "--role", "admin"]);
    let login = actix_web::rt::spawn({
        let client = test_support::Client::new(app.addr);
        async move { client.login("ada").await.tokens() }
    });
    tokio::task::yield_now().await;
    let shown = users(&app, &["revoke", "ada", "--role", "admin"]);
    assert!(shown.contains("roles    \n"), "{shown}");
    until_granted(&app, login.await.unwrap(), (json!(""), Value::Null)).await;
}

#[actix_web::test]
async fn what_would_not_fit_into_a_token_is_not_granted() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    let names: Vec<String> = (0..40).map(|number| format!("{number:0>99}")).collect();
    let args: Vec<&str> = names.iter().flat_map(|name| ["--scope", name]).collect();
    let shown = users(&app, &[&["grant", "ada"], &args[..]].concat());
    assert!(shown.starts_with("error: ada would have more than 2000 bytes"), "{shown}");
    let most: Vec<&str> = args[..38].to_vec();
    assert!(users(&app, &[&["grant", "ada"], &most[..]].concat()).contains("scopes   0"));
    let tokens = until_granted(&app, tokens, (json!(names[..19].join(" ")), Value::Null)).await;
    assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
}
