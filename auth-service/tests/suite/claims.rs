//! Scopes and roles: the next tokens carry a change, and no older refresh token undoes it.

use std::process::Command;

use crate::support::{TestApp, on_both_stores};
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{RedisServer, Tokens, claims_of, wait_until};

/// Runs `auth-service users` on the app's database, and returns its output or its errors.
fn users(app: &TestApp, args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
    command.env_clear().env("DATA_DIR", app.folder.path()).arg("users").args(args);
    if let Some(database) = &app.database {
        command.env("DATABASE_URL", database.url());
    }
    text_of(command)
}

fn text_of(mut command: Command) -> String {
    let output = command.output().unwrap();
    let text = if output.status.success() { output.stdout } else { output.stderr };
    String::from_utf8(text).unwrap()
}

/// Returns the scope and the roles in a token.
fn grants_of(token: &str) -> (Value, Value) {
    let claims = claims_of(token);
    (json!(claims["scope"].as_str().unwrap_or_default()), claims["roles"].clone())
}

/// Refreshes until the new tokens carry this scope and these roles.
async fn refresh_until_granted(app: &TestApp, tokens: Tokens, expected: (Value, Value)) -> Tokens {
    let mut tokens = tokens;
    wait_until(format!("the tokens carry {expected:?}"), async || {
        let current = tokens.clone();
        if grants_of(&current.access) == expected {
            return Ok(current);
        }
        tokens = app.refreshed(&current.refresh).await;
        Err(format!("{:?}", grants_of(&current.access)))
    })
    .await
}

#[apply(on_both_stores)]
async fn refreshed_tokens_carry_changed_scopes_and_roles(app: TestApp) {
    let tokens = app.new_user("ada").await;
    assert_eq!(grants_of(&tokens.access), (json!(""), Value::Null));

    let text = users(
        &app,
        &["grant", "ADA", "--scope", "reports:read", "--scope", "x", "--role", "editor"],
    );
    assert!(text.contains("scopes   reports:read x\nroles    editor\n"), "{text}");
    let both = (json!("reports:read x"), json!(["editor"]));
    let tokens = refresh_until_granted(&app, tokens, both.clone()).await;
    // A new login carries the grant at once, and a refresh keeps it.
    assert_eq!(grants_of(&app.login("ada").await.tokens().access), both);
    let newer = app.refreshed(&tokens.refresh).await;
    assert_eq!(grants_of(&newer.access), both);

    let text = users(&app, &["revoke", "ada@example.com", "--scope", "x", "--role", "editor"]);
    assert!(text.contains("scopes   reports:read\nroles    \n"), "{text}");
    refresh_until_granted(&app, newer, (json!("reports:read"), Value::Null)).await;
}

/// Asserts that the first refresh after each of these commands carries the change.
async fn assert_next_refresh_carries_changes(app: &TestApp, run: impl Fn(&[&str]) -> String) {
    let mut tokens = app.new_user("ada").await;
    for _ in 0..5 {
        for (command, roles) in [("grant", json!(["editor"])), ("revoke", Value::Null)] {
            let text = run(&[command, "ada", "--role", "editor"]);
            assert!(text.contains("username ada\n"), "{text}");
            tokens = app.refreshed(&tokens.refresh).await;
            assert_eq!(grants_of(&tokens.access), (json!(""), roles), "after {command}");
        }
    }
}

#[actix_web::test]
async fn the_first_refresh_after_a_grant_carries_it_on_embedded_stores() {
    let app = TestApp::embedded().await;
    assert_next_refresh_carries_changes(&app, |args| users(&app, args)).await;
}

#[actix_web::test]
async fn the_first_refresh_after_a_grant_carries_it_on_redis() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let run = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
        command.env_clear().env("DATA_DIR", app.folder.path()).env("REDIS_URL", redis.url());
        command.env("DATABASE_URL", app.database.as_ref().unwrap().url());
        command.arg("users").args(args);
        text_of(command)
    };
    assert_next_refresh_carries_changes(&app, run).await;
}

#[apply(on_both_stores)]
async fn retry_within_the_grace_period_returns_current_claims(app: TestApp) {
    let first = app.new_user("ada").await;
    users(&app, &["grant", "ada", "--role", "editor"]);
    let editor = (json!(""), json!(["editor"]));
    // Two tabs share one token, and the second tab refreshes later.
    let mut older = first.clone();
    let mut newest = first;
    wait_until("the new tokens carry the role", async || {
        older = newest.clone();
        newest = app.refreshed(&older.refresh).await;
        grants_of(&newest.access) == editor
    })
    .await;
    let again = app.refreshed(&older.refresh).await;
    assert_eq!(grants_of(&again.access), editor);
    assert_eq!(grants_of(&app.refreshed(&again.refresh).await.access), editor);
}

#[actix_web::test]
async fn changed_claims_survive_the_loss_of_redis() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let refreshing = app.new_user("ada").await;
    let idle = app.login("ada").await.tokens();
    users(&app, &["grant", "ada", "--role", "editor"]);
    let editor = (json!(""), json!(["editor"]));
    refresh_until_granted(&app, refreshing, editor.clone()).await;
    app.advance(6);
    // The service now considers the change settled.
    app.wait_for_status("/readyz", 200).await;
    redis.wipe();
    assert_eq!(grants_of(&app.refreshed(&idle.refresh).await.access), editor);
}

#[actix_web::test]
async fn invalid_grants_are_rejected_with_one_line() {
    let app = TestApp::embedded().await;
    app.register("ada").await;
    for (args, expected) in [
        (vec!["grant", "unknown", "--role", "editor"], "error: the user unknown does not exist"),
        (vec!["grant", "ada"], "error: name at least one scope or role: --scope NAME, --role NAME"),
        (vec!["grant", "ada", "--scope", "two words"], "error: invalid value 'two words'"),
        (vec!["grant", "ada", "--role", ""], "error: "),
        (vec!["show", "no such user"], "error: the user no such user does not exist"),
    ] {
        let text = users(&app, &args);
        assert!(text.starts_with(expected) && text.lines().count() == 1, "{args:?}: {text}");
    }
    let text = users(&app, &["show", "ada"]);
    assert!(
        text.contains("username ada\nemail    ada@example.com\nscopes   \nroles    \n"),
        "{text}"
    );
}

#[actix_web::test]
async fn role_revoked_during_a_login_is_not_kept() {
    // The hash takes long enough for a change of roles during the login.
    let app = TestApp::embedded_with(&["--bcrypt-cost=14"]).await;
    app.register("ada").await;
    users(&app, &["grant", "ada", "--role", "admin"]);
    let login = actix_web::rt::spawn({
        let client = test_support::Client::new(app.addr);
        async move { client.login("ada").await.tokens() }
    });
    tokio::task::yield_now().await;
    let text = users(&app, &["revoke", "ada", "--role", "admin"]);
    assert!(text.contains("roles    \n"), "{text}");
    refresh_until_granted(&app, login.await.unwrap(), (json!(""), Value::Null)).await;
}

#[actix_web::test]
async fn scopes_beyond_the_size_limit_are_rejected() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    let names: Vec<String> = (0..40).map(|number| format!("{number:0>99}")).collect();
    let args: Vec<&str> = names.iter().flat_map(|name| ["--scope", name]).collect();
    let text = users(&app, &[&["grant", "ada"], &args[..]].concat());
    assert!(
        text.starts_with("error: the scopes and roles of ada would be longer than 2000 bytes"),
        "{text}"
    );
    let most: Vec<&str> = args[..38].to_vec();
    assert!(users(&app, &[&["grant", "ada"], &most[..]].concat()).contains("scopes   0"));
    let tokens =
        refresh_until_granted(&app, tokens, (json!(names[..19].join(" ")), Value::Null)).await;
    assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
}
