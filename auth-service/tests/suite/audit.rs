//! The audit trail: event, actor, time and address of each change, and no secrets.

use crate::support::{TestApp, on_both_stores};
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{Tokens, claims_of, wait_until, wait_until_blocking};

impl TestApp {
    /// Returns the events that `auth-service audit` prints with these arguments.
    pub fn audit(&self, args: &[&str]) -> Vec<Value> {
        let mut all = vec!["audit", "--json"];
        all.extend(args);
        let output = self.cli(&all);
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns event and actor of each event, as `EVENT by ACTOR`.
    fn summaries(&self, args: &[&str]) -> Vec<String> {
        let name = |event: &Value| {
            format!("{} by {}", event["event"].as_str().unwrap(), event["actor"].as_str().unwrap())
        };
        self.audit(args).iter().map(name).collect()
    }

    /// Runs a command, which must succeed, and returns its output.
    fn run(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn change_password(&self, tokens: &Tokens, old: &str, new: &str) -> u16 {
        let body = json!({"old_password": old, "new_password": new, "keep_session": true});
        let request =
            self.request(Method::POST, "/password").bearer_auth(&tokens.access).json(&body);
        self.send(request).await.status
    }

    async fn revoke_anonymously(&self, token: &str) {
        let form = format!("token={token}");
        self.post_raw("/oauth/revoke", "application/x-www-form-urlencoded", form).await;
    }
}

const PASSWORD: &str = "correct horse battery";

fn sid(tokens: &Tokens) -> Value {
    claims_of(&tokens.access)["sid"].clone()
}

#[apply(on_both_stores)]
async fn registration_and_login_are_recorded_with_time_and_address(app: TestApp) {
    let began = jiff::Timestamp::now();
    let login =
        app.request(Method::POST, "/login").header("user-agent", "a \"browser\" event=logout");
    assert_eq!(app.register("ada").await.status, 201);
    let tokens =
        app.send(login.json(&json!({"username": "ada", "password": PASSWORD}))).await.tokens();

    let events = app.audit(&["--user", "ada"]);
    let user = claims_of(&tokens.access)["sub"].clone();
    for event in &events {
        let time: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
        assert!(
            time >= began.round(jiff::Unit::Second).unwrap() - jiff::SignedDuration::from_secs(1)
        );
        assert_eq!(
            (&event["user"], &event["ip"], &event["actor"]),
            (&user, &json!("127.0.0.1"), &json!("user"))
        );
    }
    assert_eq!(
        (&events[0]["event"], &events[0]["session"]),
        (&json!("registration"), &Value::Null)
    );
    assert_eq!((&events[1]["event"], &events[1]["session"]), (&json!("login"), &sid(&tokens)));
    assert_eq!(events[1]["user_agent"], "a \"browser\" event=logout");
    assert_eq!(events.len(), 2);
    // The text output quotes the value, so that the value cannot pass for another field.
    let lines = app.run(&["audit", "--user", "ADA@example.com"]);
    assert!(lines.contains(r#"user_agent="a \"browser\" event=logout""#), "{lines}");
}

#[apply(on_both_stores)]
async fn each_end_of_a_session_is_recorded_once(app: TestApp) {
    app.register("ada").await;
    let mut tokens = Vec::new();
    for _ in 0..6 {
        tokens.push(app.login("ada").await.tokens());
    }
    for _ in 0..2 {
        assert_eq!(app.logout(&tokens[0]).await.status, 204);
    }
    app.refreshed(&tokens[1].refresh).await;
    app.advance(60);
    for _ in 0..2 {
        assert_eq!(app.refresh(&tokens[1].refresh).await.status, 401);
    }
    app.revoke_anonymously(&tokens[2].refresh).await;
    app.revoke_anonymously(&tokens[2].access).await;
    let path = format!("/sessions/{}", sid(&tokens[3]).as_str().unwrap());
    for _ in 0..2 {
        app.send(app.request(Method::DELETE, &path).bearer_auth(&tokens[5].access)).await;
    }
    assert_eq!(
        app.change_password(&tokens[5], "not it at all", "another horse battery").await,
        400
    );
    assert_eq!(app.change_password(&tokens[5], PASSWORD, "another horse battery").await, 200);
    let all = app.request(Method::POST, "/logout/all").bearer_auth(&tokens[5].access);
    assert_eq!(app.send(all).await.status, 204);

    let events = app.summaries(&["--user", "ada"]);
    assert_eq!(
        events[7..],
        [
            "logout by user",
            "refresh_reuse by anyone",
            "revocation by anyone",
            "ended_by_owner by user",
            "password_change_failed by user",
            "password_change by user",
            "logout_everywhere by user",
        ]
    );
    let events = app.audit(&["--user", "ada"]);
    for (event, tokens) in events[7..11].iter().zip(&tokens) {
        assert_eq!(event["session"], sid(tokens), "{event}");
    }
    assert_eq!(events[12]["detail"], "1 session ended", "the only other session");
    assert_eq!(events[13]["detail"], "1 session ended");
}

#[apply(on_both_stores)]
async fn failed_login_is_recorded_without_the_credentials(app: TestApp) {
    app.register("ada").await;
    app.login_with("ada", "wrong horse battery").await.assert_problem(401, "no_active_account");
    app.login_with("my-password-in-the-wrong-field", "x")
        .await
        .assert_problem(401, "no_active_account");
    app.run(&["users", "disable", "ada"]);
    app.login("ada").await.assert_problem(401, "no_active_account");

    let failed = app.audit(&["--event", "login_failed"]);
    let seen: Vec<(&Value, bool)> =
        failed.iter().map(|event| (&event["detail"], event["user"].is_null())).collect();
    assert_eq!(
        seen,
        [
            (&json!("wrong password"), false),
            (&json!("no such user"), true),
            (&json!("the user is disabled"), false),
        ]
    );
    assert_eq!(
        app.summaries(&["--user", "ada"]),
        [
            "registration by user",
            "login_failed by anyone",
            "user_disabled by operator",
            "login_failed by anyone",
        ]
    );
    let everything = app.run(&["audit"]) + &app.run(&["audit", "--json"]);
    for secret in ["wrong-field", "horse", "$2b$", "bcrypt"] {
        assert!(!everything.contains(secret), "{everything}");
    }
}

#[apply(on_both_stores)]
async fn changes_by_operators_are_recorded(app: TestApp) {
    let tokens = app.new_user("ada").await;
    let id = claims_of(&tokens.access)["sub"].as_str().unwrap().to_owned();
    app.run(&["users", "grant", "ada", "--scope", "reports:read", "--role", "admin"]);
    app.run(&["users", "revoke", "ada", "--scope", "reports:read"]);
    app.run(&["users", "disable", "ada"]);
    app.run(&["users", "enable", "ada"]);
    app.run(&["users", "delete", "ada", "--yes"]);
    let events = app.audit(&["--user", &id]);
    let seen: Vec<(&Value, &Value)> =
        events[2..].iter().map(|event| (&event["event"], &event["detail"])).collect();
    assert_eq!(
        seen,
        [
            (&json!("claims_change"), &json!("granted scope reports:read role admin")),
            (&json!("claims_change"), &json!("revoked scope reports:read")),
            (&json!("user_disabled"), &json!("1 session ended")),
            (&json!("user_enabled"), &Value::Null),
            (&json!("user_deleted"), &json!("0 sessions ended")),
        ]
    );

    let created = app.run(&["clients", "create", "billing-job", "--scope", "a", "--scope", "b"]);
    let changed = app.run(&["clients", "rotate-secret", "billing-job"]);
    app.run(&["clients", "delete", "billing-job"]);
    assert!(!app.cli(&["clients", "delete", "billing-job"]).status.success());
    assert_eq!(
        app.summaries(&["--client", "billing-job"]),
        [
            "client_created by operator",
            "client_secret_rotated by operator",
            "client_deleted by operator",
        ]
    );
    let text = app.run(&["audit"]);
    for line in [created, changed] {
        assert!(!text.contains(line.split_whitespace().last().unwrap()), "{text}");
    }
}

#[apply(on_both_stores)]
async fn key_changes_are_recorded(app: TestApp) {
    app.run(&["keys", "generate"]);
    app.run(&["keys", "rotate"]);
    let keys = app.run(&["keys", "list"]);
    let next = keys.lines().last().unwrap().split_whitespace().next().unwrap();
    app.run(&["keys", "retire", next]);
    let events: Vec<Value> = app.audit(&[]);
    let seen: Vec<(&Value, &Value)> =
        events.iter().map(|event| (&event["event"], &event["actor"])).collect();
    assert_eq!(
        seen,
        [
            (&json!("key_published"), &json!("service")),
            (&json!("key_published"), &json!("operator")),
            (&json!("key_activated"), &json!("operator")),
            (&json!("key_retired"), &json!("operator")),
        ]
    );
    for event in &events[1..] {
        assert!(event["detail"].as_str().unwrap().starts_with(next), "{event}");
    }
}

#[apply(on_both_stores)]
async fn trail_is_filtered_by_time_and_deleted_after_the_retention(app: TestApp) {
    app.new_user("ada").await;
    assert_eq!(
        app.summaries(&["--since", "1h", "--user", "ada"]),
        ["registration by user", "login by user"]
    );
    assert_eq!(app.summaries(&["--since", "7d", "--limit", "1"]), ["login by user"]);
    assert_eq!(
        app.summaries(&["--since", "2020-01-01T00:00:00Z", "--event", "login"]),
        ["login by user"]
    );
    assert_eq!(app.summaries(&["--since", "2999-01-01T00:00:00Z"]), [""; 0]);
    for (args, expected) in [
        (["--since", "yesterday"], "must be a time"),
        (["--since=-1h", "--json"], "must be a time"),
        (["--since", "99999999999d"], "must be a time"),
        (["--user", "unknown"], "the user unknown does not exist"),
    ] {
        let refused = app.cli(&[&["audit"], &args[..]].concat());
        let errors = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && errors.contains(expected), "{errors}");
    }
    app.run(&["cleanup"]);
    assert_eq!(app.summaries(&["--user", "ada"]).len(), 2);
    wait_until_blocking("events older than a second are deleted", || {
        app.run(&["cleanup", "--audit-retention", "1"]);
        app.audit(&[]).is_empty()
    });
}

#[actix_web::test]
async fn failed_logout_is_not_recorded() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1"]).await;
    let tokens = app.new_user("ada").await;
    proxy.cut();
    app.logout(&tokens).await.assert_problem(503, "unavailable");
    proxy.restore();
    app.wait_for_status("/readyz", 200).await;
    assert_eq!(app.summaries(&["--user", "ada"]), ["registration by user", "login by user"]);
    assert_eq!(app.logout(&tokens).await.status, 204);
    assert_eq!(app.summaries(&["--event", "logout"]), ["logout by user"]);
}

#[actix_web::test]
async fn reuse_during_a_database_outage_is_recorded_afterwards() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1"]).await;
    let first = app.new_user("ada").await;
    app.refreshed(&first.refresh).await;
    app.advance(60);
    proxy.cut();
    app.refresh(&first.refresh).await.assert_problem(401, "token_not_valid");
    proxy.restore();
    app.wait_for_status("/readyz", 200).await;
    wait_until("the reuse is recorded", async || {
        // The command line blocks this thread, which the service also needs.
        app.wait_for_status("/healthz", 200).await;
        app.summaries(&["--event", "refresh_reuse"]) == ["refresh_reuse by anyone"]
    })
    .await;
    let other = app.login("ada").await.tokens();
    let sessions = app.get("/sessions", Some(&other.access)).await.json["sessions"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 1, "the ended session is listed: {sessions}");
}

#[actix_web::test]
async fn username_that_looks_like_an_id_is_found() {
    let app = TestApp::embedded().await;
    let name = "deadbeefdeadbeefdeadbeefdeadbeef";
    app.register(name).await.assert_fields(&["username"]);
    app.run(&["users", "create", name, "--email", "a@example.com", "--allow-reserved"]);
    assert_eq!(app.summaries(&["--user", name]), ["user_created by operator"]);
    // A name that is another user's id is ambiguous.
    let tokens = app.new_user("ada").await;
    let id = claims_of(&tokens.access)["sub"].as_str().unwrap().to_owned();
    app.run(&["users", "create", &id, "--email", "b@example.com", "--allow-reserved"]);
    let refused = app.cli(&["users", "grant", &id, "--role", "admin"]);
    let errors = String::from_utf8(refused.stderr).unwrap();
    assert!(errors.contains("is the username of one user and the id of another"), "{errors}");
}
