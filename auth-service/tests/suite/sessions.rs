//! Sessions of a user: their list, the end of one or all, and changes that end them.

use crate::{
    metrics::metric,
    support::{TestApp, admin::sid_of, on_both_stores, open_sqlite},
};
use diesel::{RunQueryDsl, sql_query};
use reqwest::Method;
use rstest_reuse::{apply, template};
use serde_json::{Value, json};
use test_support::{Answer, RedisServer, Tokens, sized, sql, wait_until};

/// Runs a test on both stores, with at most three sessions for each user.
#[template]
#[rstest::rstest]
#[case::embedded(TestApp::embedded_with(&["--sessions-per-user=3"]))]
#[case::deployed(TestApp::deployed_with(&["--sessions-per-user=3"]))]
#[actix_web::test]
async fn on_both_stores_with_a_limit_of_three(
    #[future(awt)]
    #[case]
    app: TestApp,
) {
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

    /// Returns the number of sessions that events of this name ended, by the audit trail.
    fn recorded_ends(&self, event: &str) -> usize {
        let count = |event: &Value| {
            let detail = event["detail"].as_str().unwrap();
            detail.split_once(" session").unwrap().0.parse::<usize>().unwrap()
        };
        self.audit(&["--event", event, "--limit", "1000"]).iter().map(count).sum()
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
    assert_eq!(
        seen,
        [(&json!(sid_of(&second)), &json!(true)), (&json!(sid_of(&first)), &json!(false))]
    );
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
    wait_until("the use is written", async || {
        app.sessions(&second).await[0]["id"] == sid_of(&first)
    })
    .await;
}

#[apply(on_both_stores)]
async fn user_ends_one_own_session(app: TestApp) {
    let here = app.new_user("ada").await;
    let there = app.login("ada").await.tokens();
    let others = app.new_user("grace").await;
    for _ in 0..2 {
        assert_eq!(app.end(&here, &sid_of(&there)).await.status, 204);
    }
    app.assert_ended(&there).await;
    for id in [&sid_of(&others), "0190163d-8694-739b-aea5-966c26f8ad91", "nonsense"] {
        app.end(&here, id).await.assert_problem(404, "not_found");
    }
    app.assert_alive(&others).await;
    app.assert_alive(&here).await;
    assert_eq!(app.end(&here, &sid_of(&here)).await.status, 204);
    app.end(&here, &sid_of(&here)).await.assert_problem(401, "token_not_valid");
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

#[apply(on_both_stores_with_a_limit_of_three)]
async fn login_beyond_the_limit_ends_the_oldest_session(app: TestApp) {
    let mut sessions = vec![app.new_user("ada").await];
    let others = app.new_user("grace").await;
    for _ in 0..2 {
        sessions.push(app.login("ada").await.tokens());
    }
    // Use of a session does not make it newer.
    sessions[0] = app.refreshed(&sessions[0].refresh).await;
    for _ in 0..2 {
        sessions.push(app.login("ada").await.tokens());
        app.assert_ended(&sessions.remove(0)).await;
    }
    assert_eq!(app.sessions(&sessions[0]).await.len(), 3);
    for tokens in sessions.iter().chain([&others]) {
        app.assert_alive(tokens).await;
    }
    assert_eq!(app.audit(&["--event", "session_limit"]).len(), 2);
    let ended = metric(&app, "auth_sessions_ended_total{cause=\"session_limit\"}").await;
    assert_eq!(ended, 2.0);
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
    let kept = change(kept).await.tokens();
    app.assert_ended(&there).await;
    assert_eq!(sid_of(&kept), sid_of(&here));
    app.assert_alive(&kept).await;
    app.login("ada").await.assert_problem(401, "no_active_account");
    let again = app.login_with("ada", new).await.tokens();
    let all = json!({"old_password": new, "new_password": old});
    assert_eq!(app.post_as("/password", &again, Some(all)).await.status, 204);
    app.assert_ended(&again).await;
    assert_eq!(app.login("ada").await.status, 200);
}

#[apply(on_both_stores)]
async fn kept_session_gets_new_tokens_and_its_older_refresh_tokens_are_void(app: TestApp) {
    let first = app.new_user("ada").await;
    let copied = app.refreshed(&first.refresh).await;
    let body = json!({
        "old_password": "correct horse battery",
        "new_password": "another horse battery",
        "keep_session": true,
    });
    let kept = app.post_as("/password", &copied, Some(body)).await.tokens();
    // A void token is refused, even within the grace period, and does not end the session.
    for void in [&copied, &first, &copied] {
        app.refresh(&void.refresh).await.assert_problem(401, "token_not_valid");
        let verify = app.post("/token/verify", json!({"token": void.refresh})).await;
        verify.assert_problem(401, "token_not_valid");
    }
    let next = app.refreshed(&kept.refresh).await;
    app.advance(11);
    app.refresh(&copied.refresh).await.assert_problem(401, "token_not_valid");
    // The rotation of the new tokens is guarded as before.
    app.assert_alive(&next).await;
    app.refresh(&kept.refresh).await.assert_problem(401, "token_not_valid");
    app.assert_ended(&next).await;
}

#[apply(on_both_stores)]
async fn time_of_the_last_use_is_rounded_down_to_minutes(app: TestApp) {
    let tokens = app.new_user("ada").await;
    for _ in 0..2 {
        let sessions = app.sessions(&tokens).await;
        let last_used_at = sessions[0]["last_used_at"].as_str().unwrap();
        assert!(last_used_at.ends_with(":00Z"), "{last_used_at}");
        app.advance(61);
    }
}

#[actix_web::test]
async fn void_tokens_stay_void_after_redis_loses_data_or_was_away() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let replica = app.replica().await;
    replica.wait_for_status("/readyz", 200).await;
    let first = app.new_user("ada").await;
    let copied = app.refreshed(&first.refresh).await;
    let change = async |tokens: &Tokens, old: &str, new: &str| {
        let body = json!({"old_password": old, "new_password": new, "keep_session": true});
        app.post_as("/password", tokens, Some(body)).await.tokens()
    };
    let kept = change(&copied, "correct horse battery", "another horse battery").await;
    redis.wipe();
    replica.refresh(&copied.refresh).await.assert_problem(401, "token_not_valid");
    let kept = replica.refreshed(&kept.refresh).await;

    redis.stop();
    let last = change(&kept, "another horse battery", "yet another horse battery").await;
    redis.restart();
    let answered = async || {
        let answer = replica.refresh(&kept.refresh).await;
        (answer.status != 503).then_some(answer)
    };
    let answer = wait_until("the replica reaches Redis again", answered).await;
    answer.assert_problem(401, "token_not_valid");
    replica.refreshed(&last.refresh).await;
    app.refresh(&copied.refresh).await.assert_problem(401, "token_not_valid");
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
async fn deleted_user_loses_all_sessions_and_the_name_is_kept(app: TestApp) {
    let tokens = app.new_user("ada").await;
    assert!(app.cli(&["users", "delete", "ada", "--yes"]).status.success());
    assert!(!app.cli(&["users", "show", "ada"]).status.success());
    app.login("ada").await.assert_problem(401, "no_active_account");
    app.wait_for_status_as("/auth/verify", &tokens.access, 401).await;
    app.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
    // No other user gets the name, in any spelling. The address is free.
    for name in ["ada", "ADA"] {
        app.register(name).await.assert_fields(&["username"]);
    }
    app.assert_ended(&tokens).await;
}

#[apply(on_both_stores)]
async fn client_has_no_sessions(app: TestApp) {
    let client = app.client("billing-job", &[]);
    let tokens = Tokens { access: app.client_token(&client).await, refresh: String::new() };
    app.get("/sessions", Some(&tokens.access)).await.assert_problem(403, "permission_denied");
    app.end(&tokens, &sid_of(&tokens)).await.assert_problem(403, "permission_denied");
    app.post_as("/logout/all", &tokens, None).await.assert_problem(403, "permission_denied");
    let body = json!({"old_password": "x", "new_password": "another horse battery"});
    app.post_as("/password", &tokens, Some(body)).await.assert_problem(403, "permission_denied");
}

/// Returns the current session of a login with these headers.
async fn session_with(app: &TestApp, headers: &[(&str, &[u8])]) -> Value {
    let mut login = app.request(Method::POST, "/login");
    for (name, value) in headers {
        login = login.header(*name, *value);
    }
    let body = json!({"username": "ada", "password": "correct horse battery"});
    let tokens = app.send(login.json(&body)).await.tokens();
    let sessions = app.sessions(&tokens).await;
    sessions.into_iter().find(|session| session["current"] == true).unwrap()
}

#[actix_web::test]
async fn client_address_is_the_one_that_the_trusted_proxy_adds() {
    let one_hop = TestApp::embedded_with(&["--proxy-hops=1"]).await;
    let two_hops = TestApp::embedded_with(&["--proxy-hops=2"]).await;
    one_hop.register("ada").await;
    two_hops.register("ada").await;
    let table: [(&TestApp, &[&[u8]], &str); 11] = [
        (&one_hop, &[b"198.51.100.7"], "198.51.100.7"),
        (&one_hop, &[b"6.6.6.6, 198.51.100.8:4711"], "198.51.100.8"),
        (&one_hop, &[b"6.6.6.6", b"2001:DB8:0::1"], "2001:db8::1"),
        (&one_hop, &[b"6.6.6.6, [2001:db8::9]"], "2001:db8::9"),
        (&one_hop, &[b"6.6.6.6, \"[fe80::9%eth0]:443\""], "fe80::9"),
        (&one_hop, &[b"\xff\xfe, ::ffff:198.51.100.9"], "198.51.100.9"),
        (&one_hop, &[b"6.6.6.6, nonsense"], "127.0.0.1"),
        (&one_hop, &[b"6.6.6.6, \xff"], "127.0.0.1"),
        (&one_hop, &[], "127.0.0.1"),
        (&two_hops, &[b"6.6.6.6, 198.51.100.7", b"10.0.0.1"], "198.51.100.7"),
        (&two_hops, &[b"6.6.6.6, unknown, 10.0.0.1"], "10.0.0.1"),
    ];
    for (app, forwarded, ip) in table {
        let headers: Vec<_> = forwarded.iter().map(|value| ("x-forwarded-for", *value)).collect();
        assert_eq!(session_with(app, &headers).await["ip"], ip, "{forwarded:?}");
    }
}

#[actix_web::test]
async fn user_agent_is_kept_and_its_unprintable_bytes_are_escaped() {
    let app = TestApp::embedded().await;
    app.register("ada").await;
    let long = [b"x".repeat(197), b"\xff".to_vec(), b"y".to_vec()].concat();
    let long_recorded = "x".repeat(197);
    let table: [(&[u8], &str); 4] = [
        ("Bläser/1.0 \"内\"".as_bytes(), "Bläser/1.0 \"内\""),
        (b"caf\xe9 \t \\x", r"caf\xE9 \t \\x"),
        ("rtl \u{202e}evil".as_bytes(), r"rtl \u{202e}evil"),
        (&long, &long_recorded),
    ];
    for (sent, recorded) in table {
        let session = session_with(&app, &[("user-agent", sent)]).await;
        assert_eq!(session["user_agent"], recorded);
    }
}

#[actix_web::test]
async fn user_with_many_sessions_is_disabled() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    let mut connection = open_sqlite(&app.folder);
    sql_query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000) \
         INSERT INTO sessions (id, user_id, created_at, expires_at) \
         SELECT printf('01a20970-f552-76e1-be5b-%012d', i), users.id, 0, 4102444800000 \
         FROM n, users",
    )
    .execute(&mut connection)
    .unwrap();
    let disabled = app.cli(&["users", "disable", "ada"]);
    assert!(disabled.status.success(), "{disabled:?}");
    // The sessions end in batches, each with its event.
    assert_eq!(app.recorded_ends("user_disabled"), 5_001);
    wait_until("the session ends", async || app.refresh(&tokens.refresh).await.status == 401).await;
}

/// A user may have more sessions from before there was a limit.
#[actix_web::test]
async fn any_number_of_sessions_ends_at_once() {
    let count = sized(2500, 50_000, 50_000);
    let app = TestApp::deployed().await;
    let mut here = app.new_user("ada").await;
    let url = app.database.as_ref().unwrap().url();
    let old = "correct horse battery";
    let body = json!({"old_password": old, "new_password": old, "keep_session": true});
    for (path, body, event) in
        [("/password", Some(body), "password_change"), ("/logout/all", None, "logout_everywhere")]
    {
        let oldest = app.login("ada").await.tokens();
        let others = format!(
            "INSERT INTO sessions (id, user_id, created_at, expires_at)
             SELECT gen_random_uuid()::text, users.id, created_at + i, 4102444800000
             FROM users, generate_series(1, {count}) AS i"
        );
        sql(&url, &format!("UPDATE sessions SET created_at = 0 WHERE id = '{}'", sid_of(&oldest)));
        sql(&url, &others);
        let live = || sql(&url, "SELECT 1 FROM sessions WHERE revoked_at IS NULL");
        let before = live();
        let answer = app.post_as(path, &here, body).await;
        assert!((200..300).contains(&answer.status), "{answer:?}");
        assert!(live() <= 1, "{} sessions are alive", live());
        assert_eq!(app.recorded_ends(event), before - live());
        // Session state may be busy with the ends for a moment. Then a refresh is answered 503.
        let refresh = async || app.refresh(&oldest.refresh).await.status;
        wait_until("the oldest session has ended", async || refresh().await == 401).await;
        here = app.login("ada").await.tokens();
    }
    // Other users continue.
    let others = app.new_user("grace").await;
    let refresh = async || app.refresh(&others.refresh).await.status;
    wait_until("another user refreshes", async || refresh().await == 200).await;
}

#[actix_web::test]
async fn cleanup_deletes_expired_sessions() {
    let app = TestApp::embedded().await;
    let tokens = app.new_user("ada").await;
    let mut connection = open_sqlite(&app.folder);
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
