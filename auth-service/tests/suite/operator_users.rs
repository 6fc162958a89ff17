//! `auth-service users`: set-password, verify-email, sessions, and the filters of list.

use std::{
    io::Write,
    process::{Output, Stdio},
};

use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::wait_until;

use crate::support::{TestApp, on_both_stores};

const NEW: &str = "a better horse battery";

/// Runs `auth-service users set-password NAME --password-stdin`.
fn set_password(app: &TestApp, name: &str, input: &str) -> Output {
    let args = ["users", "set-password", name, "--password-stdin", "--json"];
    let mut command = app.command(&[&args[..], &["--bcrypt-cost", "10"]].concat());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // A command that fails early does not read its input.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    process.wait_with_output().unwrap()
}

/// Waits until a refresh is refused. A replica reads the ends of a command from the database.
async fn refused(app: &TestApp, refresh: &str) {
    let is_refused = async || app.refresh(refresh).await.status == 401;
    wait_until("the end of the session", is_refused).await;
}

#[apply(on_both_stores)]
async fn operator_sets_a_password_which_ends_all_sessions(app: TestApp) {
    let tokens = app.new_user("ada").await;
    let code = app.reset_password("ada");
    let output = set_password(&app, "ADA@example.com", &format!("{NEW}\n"));
    assert!(output.status.success(), "{output:?}");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&printed["username"], &printed["sessions_ended"]), (&json!("ada"), &json!(0)));
    app.confirm("ada", &code, "another horse battery").await.assert_fields(&["code"]);
    refused(&app, &tokens.refresh).await;
    app.login("ada").await.assert_problem(401, "no_active_account");
    let tokens = app.login_with("ada", NEW).await.tokens();
    let output = set_password(&app, "ada", "another horse battery");
    let printed: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(printed["sessions_ended"], 1);
    refused(&app, &tokens.refresh).await;
    for (name, input, complaint) in [
        ("ada", "short\n", "too short"),
        ("ada", "ada@example.com\n", "too similar"),
        ("ada", "", "may not be blank"),
        ("unknown", NEW, "the user unknown does not exist"),
    ] {
        let output = set_password(&app, name, input);
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(complaint), "{name} {input}: {error}");
        assert_eq!(output.status.code(), Some(1), "{error}");
    }
    assert_eq!(app.login_with("ada", "another horse battery").await.status, 200);
    let error = app.users_error(&["set-password", "ada"]);
    assert!(error.contains("add --password-stdin"), "{error}");
    let changes = app.audit(&["--user", "ada", "--event", "password_change"]);
    assert_eq!((changes.len(), &changes[0]["actor"]), (2, &json!("operator")));
}

#[apply(on_both_stores)]
async fn operator_lists_the_live_sessions_of_a_user(app: TestApp) {
    let tokens = app.new_user("ada").await;
    let ended = app.login("ada").await.tokens();
    app.logout(&ended).await;
    let sessions = app.users(&["sessions", "ada"]);
    assert_eq!(sessions.len(), 1, "{sessions:?}");
    assert_eq!(sessions[0]["id"], test_support::claims_of(&tokens.access)["sid"]);
    assert_eq!(sessions[0]["address"], "127.0.0.1");
    for time in ["created_at", "last_used_at", "expires_at"] {
        assert!(sessions[0][time].as_str().unwrap().ends_with('Z'), "{sessions:?}");
    }
    let table = app.cli(&["users", "sessions", "ada"]);
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(text.starts_with("ID ") && text.lines().count() == 2, "{text}");
    app.users(&["logout", "ada"]);
    assert!(app.users(&["sessions", "ada"]).is_empty());
    app.users_error(&["sessions", "unknown"]);
}

#[apply(on_both_stores)]
async fn operator_verifies_an_address_and_filters_users(app: TestApp) {
    app.register("ada").await;
    app.create_user("grace", &["--verified", "--role", "admin"]);
    let names = |args: &[&str]| {
        let users = app.users(&[&["list"], args].concat());
        users.iter().map(|user| user["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&["--unverified"]), ["ada"]);
    assert_eq!(names(&["--verified"]), ["grace"]);
    let verified = app.users(&["verify-email", "ada"]);
    assert_eq!(verified[0]["changed"], true);
    assert_ne!(verified[0]["email_verified_at"], Value::Null);
    assert_eq!(app.users(&["verify-email", "ada"])[0]["changed"], false);
    assert_eq!(names(&["--unverified"]), Vec::<String>::new());
    assert_eq!(names(&["--verified", "--since", "1h", "--limit", "1"]), ["ada"]);
    assert_eq!(names(&["--since", "2999-01-01T00:00:00Z"]), Vec::<String>::new());
    app.users_error(&["list", "--verified", "--unverified"]);
    let text = app.cli(&["users", "show", "ada"]);
    assert!(String::from_utf8(text.stdout).unwrap().contains("email verified at 20"));
    let text = app.cli(&["users", "list", "--limit", "1"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("EMAIL VERIFIED AT") && text.contains("more: --after"), "{text}");
    app.users_error(&["verify-email", "unknown"]);
    let events = app.audit(&["--user", "ada", "--event", "email_verified"]);
    assert_eq!((events.len(), &events[0]["actor"]), (1, &json!("operator")));
}
