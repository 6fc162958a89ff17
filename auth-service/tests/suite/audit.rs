//! The audit trail: who did what, when and from where, and nothing that is a secret.

use crate::support::TestApp;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Process, Tokens, claims_of, temp_dir};

impl TestApp {
    /// What `auth-service audit` prints with these arguments.
    fn audit(&self, args: &[&str]) -> Vec<Value> {
        let mut all = vec!["audit", "--json"];
        all.extend(args);
        let done = self.cli(&all);
        assert!(done.status.success(), "{done:?}");
        let text = String::from_utf8(done.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Event and actor of each.
    fn audited(&self, args: &[&str]) -> Vec<String> {
        let name = |event: &Value| {
            format!("{} by {}", event["event"].as_str().unwrap(), event["actor"].as_str().unwrap())
        };
        self.audit(args).iter().map(name).collect()
    }

    fn operate(&self, args: &[&str]) -> String {
        let done = self.cli(args);
        assert!(done.status.success(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    }

    async fn change_password(&self, tokens: &Tokens, old: &str, new: &str) -> u16 {
        let body = json!({"old_password": old, "new_password": new, "keep_session": true});
        let request = self.request(Method::POST, "/password").bearer_auth(&tokens.access).json(&body);
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

on_both! {
    async fn what_people_do_is_remembered_with_when_and_where(app: TestApp) {
        let began = jiff::Timestamp::now();
        let login = app.request(Method::POST, "/login").header("user-agent", "a \"browser\" event=logout");
        assert_eq!(app.register("ada").await.status, 201);
        let tokens = app.send(login.json(&json!({"username": "ada", "password": PASSWORD}))).await.tokens();

        let events = app.audit(&["--user", "ada"]);
        let user = claims_of(&tokens.access)["sub"].clone();
        for event in &events {
            let time: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
            assert!(time >= began.round(jiff::Unit::Second).unwrap() - jiff::SignedDuration::from_secs(1));
            assert_eq!((&event["user"], &event["ip"], &event["actor"]), (&user, &json!("127.0.0.1"), &json!("user")));
        }
        assert_eq!((&events[0]["event"], &events[0]["session"]), (&json!("registration"), &Value::Null));
        assert_eq!((&events[1]["event"], &events[1]["session"]), (&json!("login"), &sid(&tokens)));
        assert_eq!(events[1]["user_agent"], "a \"browser\" event=logout");
        assert_eq!(events.len(), 2);
        // For people it is quoted, or it could pass for another field.
        let lines = app.operate(&["audit", "--user", "ADA@example.com"]);
        assert!(lines.contains(r#"user_agent="a \"browser\" event=logout""#), "{lines}");
    }

    async fn every_end_of_a_session_is_remembered_once(app: TestApp) {
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
        assert_eq!(app.change_password(&tokens[5], "not it at all", "another horse battery").await, 400);
        assert_eq!(app.change_password(&tokens[5], PASSWORD, "another horse battery").await, 204);
        let all = app.request(Method::POST, "/logout/all").bearer_auth(&tokens[5].access);
        assert_eq!(app.send(all).await.status, 204);

        let events = app.audited(&["--user", "ada"]);
        assert_eq!(events[7..], [
            "logout by user",
            "refresh_reuse by anyone",
            "revocation by anyone",
            "ended_by_owner by user",
            "password_change_failed by user",
            "password_change by user",
            "logout_everywhere by user",
        ]);
        let events = app.audit(&["--user", "ada"]);
        for (event, tokens) in events[7..11].iter().zip(&tokens) {
            assert_eq!(event["session"], sid(tokens), "{event}");
        }
        assert_eq!(events[12]["detail"], "1 session ended", "the one that was left, but for the present one");
        assert_eq!(events[13]["detail"], "1 session ended");
    }

    async fn a_failed_login_is_remembered_and_what_was_typed_is_not(app: TestApp) {
        app.register("ada").await;
        app.login_with("ada", "wrong horse battery").await.assert_problem(401, "no_active_account");
        app.login_with("my-password-in-the-wrong-field", "x").await.assert_problem(401, "no_active_account");
        app.operate(&["users", "disable", "ada"]);
        app.login("ada").await.assert_problem(401, "no_active_account");

        let failed = app.audit(&["--event", "login_failed"]);
        let seen: Vec<(&Value, bool)> = failed.iter().map(|event| (&event["detail"], event["user"].is_null())).collect();
        assert_eq!(seen, [
            (&json!("wrong password"), false),
            (&json!("no such user"), true),
            (&json!("the user is disabled"), false),
        ]);
        assert_eq!(app.audited(&["--user", "ada"]), [
            "registration by user",
            "login_failed by anyone",
            "user_disabled by operator",
            "login_failed by anyone",
        ]);
        let everything = app.operate(&["audit"]) + &app.operate(&["audit", "--json"]);
        for secret in ["wrong-field", "horse", "$2b$", "bcrypt"] {
            assert!(!everything.contains(secret), "{everything}");
        }
    }

    async fn what_operators_do_is_remembered(app: TestApp) {
        let tokens = app.new_user("ada").await;
        let id = claims_of(&tokens.access)["sub"].as_str().unwrap().to_owned();
        app.operate(&["users", "grant", "ada", "--scope", "reports:read", "--role", "admin"]);
        app.operate(&["users", "revoke", "ada", "--scope", "reports:read"]);
        app.operate(&["users", "disable", "ada"]);
        app.operate(&["users", "enable", "ada"]);
        app.operate(&["users", "delete", "ada"]);
        let events = app.audit(&["--user", &id]);
        let seen: Vec<(&Value, &Value)> = events[2..].iter().map(|event| (&event["event"], &event["detail"])).collect();
        assert_eq!(seen, [
            (&json!("claims_change"), &json!("granted scope reports:read role admin")),
            (&json!("claims_change"), &json!("revoked scope reports:read")),
            (&json!("user_disabled"), &json!("1 session ended")),
            (&json!("user_enabled"), &Value::Null),
            (&json!("user_deleted"), &json!("0 sessions ended")),
        ]);

        let made = app.operate(&["clients", "create", "billing-job", "--scope", "a", "--scope", "b"]);
        let changed = app.operate(&["clients", "rotate-secret", "billing-job"]);
        app.operate(&["clients", "delete", "billing-job"]);
        assert!(!app.cli(&["clients", "delete", "billing-job"]).status.success());
        assert_eq!(app.audited(&["--client", "billing-job"]), [
            "client_created by operator",
            "client_secret_rotated by operator",
            "client_deleted by operator",
        ]);
        let text = app.operate(&["audit"]);
        for line in [made, changed] {
            assert!(!text.contains(line.split_whitespace().last().unwrap()), "{text}");
        }
    }

    async fn changes_of_the_keys_are_remembered(app: TestApp) {
        app.operate(&["keys", "generate"]);
        app.operate(&["keys", "rotate"]);
        let keys = app.operate(&["keys", "list"]);
        let next = keys.lines().last().unwrap().split_whitespace().next().unwrap();
        app.operate(&["keys", "retire", next]);
        let events: Vec<Value> = app.audit(&[]);
        let seen: Vec<(&Value, &Value)> = events.iter().map(|event| (&event["event"], &event["actor"])).collect();
        assert_eq!(seen, [
            (&json!("key_published"), &json!("service")),
            (&json!("key_published"), &json!("operator")),
            (&json!("key_activated"), &json!("operator")),
            (&json!("key_retired"), &json!("operator")),
        ]);
        for event in &events[1..] {
            assert!(event["detail"].as_str().unwrap().starts_with(next), "{event}");
        }
    }

    async fn the_trail_is_searched_by_time_and_kept_as_long_as_asked(app: TestApp) {
        app.new_user("ada").await;
        assert_eq!(app.audited(&["--since", "1h", "--user", "ada"]), ["registration by user", "login by user"]);
        assert_eq!(app.audited(&["--since", "7d", "--limit", "1"]), ["login by user"]);
        assert_eq!(app.audited(&["--since", "2020-01-01T00:00:00Z", "--event", "login"]), ["login by user"]);
        assert_eq!(app.audited(&["--since", "2999-01-01T00:00:00Z"]), [""; 0]);
        for (args, expected) in [
            (["--since", "yesterday"], "must be a time"),
            (["--since=-1h", "--json"], "must be a time"),
            (["--since", "99999999999d"], "must be a time"),
            (["--user", "nobody"], "there is no user nobody"),
        ] {
            let refused = app.cli(&[&["audit"], &args[..]].concat());
            let errors = String::from_utf8(refused.stderr).unwrap();
            assert!(!refused.status.success() && errors.contains(expected), "{errors}");
        }
        app.operate(&["cleanup"]);
        assert_eq!(app.audited(&["--user", "ada"]).len(), 2);
        // They are a second old soon.
        while !app.audit(&[]).is_empty() {
            app.operate(&["cleanup", "--audit-retention", "1"]);
        }
    }
}

#[actix_web::test]
async fn a_logout_that_is_not_in_the_database_is_not_in_the_trail() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1"]).await;
    let tokens = app.new_user("ada").await;
    proxy.cut();
    app.logout(&tokens).await.assert_problem(503, "unavailable");
    proxy.restore();
    app.wait_for_status("/readyz", 200).await;
    assert_eq!(app.audited(&["--user", "ada"]), ["registration by user", "login by user"]);
    assert_eq!(app.logout(&tokens).await.status, 204);
    assert_eq!(app.audited(&["--event", "logout"]), ["logout by user"]);
}

#[actix_web::test]
async fn a_reuse_while_the_database_is_away_is_remembered_when_it_is_back() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1"]).await;
    let first = app.new_user("ada").await;
    app.refreshed(&first.refresh).await;
    app.advance(60);
    proxy.cut();
    app.refresh(&first.refresh).await.assert_problem(401, "token_not_valid");
    proxy.restore();
    app.wait_for_status("/readyz", 200).await;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while app.audited(&["--event", "refresh_reuse"]) != ["refresh_reuse by anyone"] {
        assert!(std::time::Instant::now() < deadline, "it is not remembered");
        // The command line keeps this thread to itself, and the service is in it, too.
        app.wait_for_status("/healthz", 200).await;
    }
    let other = app.login("ada").await.tokens();
    let sessions = app.get("/sessions", Some(&other.access)).await.json["sessions"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 1, "the one that ended is not listed: {sessions}");
}

#[actix_web::test]
async fn a_username_that_looks_like_an_id_is_a_username() {
    let app = TestApp::embedded().await;
    app.register("deadbeefdeadbeefdeadbeefdeadbeef").await;
    assert_eq!(app.audited(&["--user", "deadbeefdeadbeefdeadbeefdeadbeef"]), ["registration by user"]);
}

#[actix_web::test]
async fn events_are_in_the_log_for_people_and_for_machines() {
    let folder = temp_dir();
    let data = folder.path().to_str().unwrap();
    let process =
        Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &[("DATA_DIR", data), ("BCRYPT_COST", "10")]);
    let client = test_support::Client::new(process.addr(0));
    let tokens = client.new_user("ada").await;
    let sid = sid(&tokens);
    process.wait_for_log("audit] login event=login actor=user user=");
    process.wait_for_log(&format!("session={} ip=127.0.0.1", sid.as_str().unwrap()));
    drop(process);

    let env = [("DATA_DIR", data), ("LOG_FORMAT", "json"), ("BCRYPT_COST", "10")];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = test_support::Client::new(process.addr(0));
    let login = client.request(Method::POST, "/login").header("user-agent", "a \"browser\"");
    client.send(login.json(&json!({"username": "ada", "password": PASSWORD}))).await.tokens();
    let log = process.wait_for_log("\"event\":\"login\"");
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let login = lines.iter().find(|line| line["event"] == "login").unwrap();
    assert_eq!(
        (&login["target"], &login["level"], &login["actor"]),
        (&json!("audit"), &json!("INFO"), &json!("user"))
    );
    assert_eq!((&login["message"], &login["user_agent"]), (&json!("login"), &json!("a \"browser\"")));
    assert!(login["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{login}");
    assert!(!log.contains("horse") && !log.contains("eyJ"), "{log}");
}

#[test]
fn a_wrong_log_format_is_named() {
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .env_clear()
        .env("LOG_FORMAT", "xml")
        .output()
        .unwrap();
    let errors = String::from_utf8(done.stderr).unwrap();
    assert_eq!((done.status.code(), errors.as_str()), (Some(1), "error: LOG_FORMAT must be text or json\n"));
}
