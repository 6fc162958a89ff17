//! Sessions of a user: their list, the end of one or all, and changes that end them.

use crate::support::{TestApp, on_both_stores};
use diesel::{Connection, RunQueryDsl, SqliteConnection, sql_query};
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{Answer, Tokens, claims_of, wait_until};

fn sid(tokens: &Tokens) -> String {
    claims_of(&tokens.access)["sid"].as_str().unwrap().to_owned()
}

impl TestApp {
    async fn sessions(&self, tokens: &Tokens) -> Vec<Value> {
        let answer = self.get("/sessions", Some(&tokens.access)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json["sessions"].as_array().unwrap().clone()
    }

    async fn end(&self, tokens: &Tokens, id: &str) -> Answer {
        let request = self.request(Method::DELETE, &format!("/sessions/{id}"));
        self.send(request.bearer_auth(&tokens.access)).await
    }

    async fn post_as(&self, path: &str, tokens: &Tokens, body: Option<Value>) -> Answer {
        let mut request = self.request(Method::POST, path).bearer_auth(&tokens.access);
        if let Some(body) = body {
            request = request.json(&body);
        }
        self.send(request).await
    }

    async fn assert_ended(&self, tokens: &Tokens) {
        self.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
        self.get("/me", Some(&tokens.access)).await.assert_problem(401, "token_not_valid");
    }

    async fn assert_alive(&self, tokens: &Tokens) {
        assert_eq!(self.get("/me", Some(&tokens.access)).await.status, 200);
        self.refreshed(&tokens.refresh).await;
    }
}

#[apply(on_both_stores)]
async fn user_lists_own_sessions(app: TestApp) {
    let first = app.new_user("ada").await;
    app.new_user("grace").await;
    app.advance(60);
    let login = app
        .request(Method::POST, "/login")
        .header("user-agent", "a browser")
        .header("x-forwarded-for", "1.2.3.4");
    let second = app
        .send(login.json(&json!({"username": "ada", "password": "correct horse battery"})))
        .await
        .tokens();
    let ended = app.login("ada").await.tokens();
    app.logout(&ended).await;

    let sessions = app.sessions(&second).await;
    let seen: Vec<(&Value, &Value)> =
        sessions.iter().map(|session| (&session["id"], &session["current"])).collect();
    assert_eq!(seen, [(&json!(sid(&second)), &json!(true)), (&json!(sid(&first)), &json!(false))]);
    assert_eq!(
        (&sessions[0]["user_agent"], &sessions[0]["ip"]),
        (&json!("a browser"), &json!("127.0.0.1"))
    );
    assert_eq!(sessions[1]["user_agent"], Value::Null);
    for name in ["created_at", "last_used_at", "expires_at"] {
        let time = sessions[0][name].as_str().unwrap();
        assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    }
    // The time of the last use is written after the answer.
    app.advance(60);
    app.refreshed(&first.refresh).await;
    wait_until("the use is written", async || app.sessions(&second).await[0]["id"] == sid(&first))
        .await;
}

#[apply(on_both_stores)]
async fn user_ends_one_own_session(app: TestApp) {
    let here = app.new_user("ada").await;
    let there = app.login("ada").await.tokens();
    let others = app.new_user("grace").await;
    for _ in 0..2 {
        assert_eq!(app.end(&here, &sid(&there)).await.status, 204);
    }
    app.assert_ended(&there).await;
    for id in [&sid(&others), "0190163d-8694-739b-aea5-966c26f8ad91", "nonsense"] {
        app.end(&here, id).await.assert_problem(404, "not_found");
    }
    app.assert_alive(&others).await;
    app.assert_alive(&here).await;
    assert_eq!(app.end(&here, &sid(&here)).await.status, 204);
    app.end(&here, &sid(&here)).await.assert_problem(401, "token_not_valid");
}

#[apply(on_both_stores)]
async fn user_logs_out_everywhere(app: TestApp) {
    let here = app.new_user("ada").await;
    let there = app.login("ada").await.tokens();
    let others = app.new_user("grace").await;
    assert_eq!(app.post_as("/logout/all", &here, None).await.status, 204);
    app.assert_ended(&here).await;
    app.assert_ended(&there).await;
    app.assert_alive(&others).await;
    app.post_as("/logout/all", &here, None).await.assert_problem(401, "token_not_valid");
    assert_eq!(app.login("ada").await.status, 200);
}

#[apply(on_both_stores)]
async fn new_password_ends_all_other_sessions(app: TestApp) {
    let here = app.new_user("ada").await;
    let there = app.login("ada").await.tokens();
    let change = |body: Value| app.post_as("/password", &here, Some(body));
    let old = "correct horse battery";
    let new = "another horse battery";
    change(json!({"old_password": "wrong", "new_password": new}))
        .await
        .assert_fields(&["old_password"]);
    change(json!({"old_password": old, "new_password": "short"}))
        .await
        .assert_fields(&["new_password"]);
    change(json!({"old_password": old, "new_password": "ada@example.com"}))
        .await
        .assert_fields(&["new_password"]);
    change(json!({"old_password": old, "new_password": new, "keep_session": 1}))
        .await
        .assert_fields(&["keep_session"]);
    change(json!({})).await.assert_fields(&["new_password", "old_password"]);
    app.refreshed(&there.refresh).await;

    let kept = json!({"old_password": old, "new_password": new, "keep_session": true});
    assert_eq!(change(kept).await.status, 204);
    app.assert_ended(&there).await;
    app.assert_alive(&here).await;
    app.login("ada").await.assert_problem(401, "no_active_account");
    let again = app.login_with("ada", new).await.tokens();
    let all = json!({"old_password": new, "new_password": old});
    assert_eq!(app.post_as("/password", &again, Some(all)).await.status, 204);
    app.assert_ended(&again).await;
    assert_eq!(app.login("ada").await.status, 200);
}

#[apply(on_both_stores)]
async fn disabled_user_loses_all_sessions(app: TestApp) {
    let tokens = app.new_user("ada").await;
    let disabled = app.cli(&["users", "disable", "ada"]);
    assert!(String::from_utf8(disabled.stdout).unwrap().contains("disabled since 20"));
    app.login("ada").await.assert_problem(401, "no_active_account");
    app.wait_for_status_as("/auth/verify", &tokens.access, 401).await;
    app.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
    assert!(app.cli(&["users", "enable", "ada"]).status.success());
    let tokens = app.login("ada").await.tokens();
    app.assert_alive(&tokens).await;
}

#[apply(on_both_stores)]
async fn deleted_user_loses_all_sessions_and_frees_the_name(app: TestApp) {
    let tokens = app.new_user("ada").await;
    assert!(app.cli(&["users", "delete", "ada"]).status.success());
    assert!(!app.cli(&["users", "show", "ada"]).status.success());
    app.login("ada").await.assert_problem(401, "no_active_account");
    app.wait_for_status_as("/auth/verify", &tokens.access, 401).await;
    app.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
    // Another user may take the name.
    let other = app.new_user("ada").await;
    assert_ne!(claims_of(&other.access)["sub"], claims_of(&tokens.access)["sub"]);
    app.assert_ended(&tokens).await;
}

#[apply(on_both_stores)]
async fn client_has_no_sessions(app: TestApp) {
    let created = String::from_utf8(app.cli(&["clients", "create", "billing-job"]).stdout).unwrap();
    let secret = created.split_whitespace().last().unwrap();
    let request = app.request(Method::POST, "/oauth/token").basic_auth("billing-job", Some(secret));
    let answer = app.send(request.form(&[("grant_type", "client_credentials")])).await;
    let access = answer.json["access_token"].as_str().unwrap().to_owned();
    let tokens = Tokens { access, refresh: String::new() };
    app.get("/sessions", Some(&tokens.access)).await.assert_problem(403, "permission_denied");
    app.end(&tokens, &sid(&tokens)).await.assert_problem(403, "permission_denied");
    app.post_as("/logout/all", &tokens, None).await.assert_problem(403, "permission_denied");
    let body = json!({"old_password": "x", "new_password": "another horse battery"});
    app.post_as("/password", &tokens, Some(body)).await.assert_problem(403, "permission_denied");
}

#[actix_web::test]
async fn client_address_is_the_one_that_the_trusted_proxy_adds() {
    let app = TestApp::embedded_with(&["--proxy-hops=1"]).await;
    app.register("ada").await;
    for (forwarded, ip) in [
        (vec!["198.51.100.7"], "198.51.100.7"),
        (vec!["10.9.9.9, 198.51.100.8"], "198.51.100.8"),
        (vec!["10.9.9.9", "2001:db8::1"], "2001:db8::1"),
        (vec!["nonsense"], "127.0.0.1"),
        (vec![], "127.0.0.1"),
    ] {
        let mut login = app.request(Method::POST, "/login");
        for value in forwarded {
            login = login.header("x-forwarded-for", value);
        }
        let body = json!({"username": "ada", "password": "correct horse battery"});
        let tokens = app.send(login.json(&body)).await.tokens();
        let sessions = app.sessions(&tokens).await;
        let current = sessions.iter().find(|session| session["current"] == true).unwrap();
        assert_eq!(current["ip"], ip);
    }
}

#[actix_web::test]
async fn user_with_many_sessions_is_disabled() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    let file = app.folder.path().join("auth.sqlite3");
    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    sql_query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) \
         INSERT INTO sessions (id, user_id, created_at, expires_at) \
         SELECT printf('01a20970-f552-76e1-be5b-%012d', i), users.id, 0, 4102444800000 \
         FROM n, users",
    )
    .execute(&mut connection)
    .unwrap();
    let disabled = app.cli(&["users", "disable", "ada"]);
    assert!(disabled.status.success(), "{disabled:?}");
    let trail = String::from_utf8(app.cli(&["audit", "--event", "user_disabled"]).stdout).unwrap();
    assert!(trail.contains("\"40001 sessions ended\""), "{trail}");
    wait_until("the session ends", async || app.refresh(&tokens.refresh).await.status == 401).await;
}

#[actix_web::test]
async fn cleanup_deletes_expired_sessions() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    let file = app.folder.path().join("auth.sqlite3");
    let mut connection = SqliteConnection::establish(file.to_str().unwrap()).unwrap();
    sql_query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) \
         INSERT INTO sessions (id, created_at, expires_at) SELECT 'old-' || i, 0, 1 FROM n",
    )
    .execute(&mut connection)
    .unwrap();
    for expected in [
        "Deleted 1500 expired sessions and 0 old events of the audit trail\n",
        "Deleted 0 expired sessions and 0 old events of the audit trail\n",
    ] {
        assert_eq!(String::from_utf8(app.cli(&["cleanup"]).stdout).unwrap(), expected);
    }
    app.assert_alive(&tokens).await;
}
