//! `POST /logout`: the session ends and stays ended.

use std::{io::Write, time::Duration};

use crate::support::{TestApp, on_both_stores};
use reqwest::Method;
use rstest_reuse::apply;
use serde_json::json;
use test_support::{RedisServer, claims_of, sql, wait_until};

#[apply(on_both_stores)]
async fn logout_ends_only_its_session(app: TestApp) {
    let first = app.new_user("ada").await;
    let other = app.login("ada").await.tokens();
    let second = app.refreshed(&first.refresh).await;
    assert_eq!(app.logout(&second).await.status, 204);
    for ended in [&first, &second] {
        app.refresh(&ended.refresh).await.assert_problem(401, "token_not_valid");
        app.get("/me", Some(&ended.access)).await.assert_problem(401, "token_not_valid");
    }
    assert_eq!(app.get("/me", Some(&other.access)).await.status, 200);
    app.refreshed(&other.refresh).await;
}

#[apply(on_both_stores)]
async fn repeated_logout_succeeds(app: TestApp) {
    let tokens = app.new_user("ada").await;
    assert_eq!(app.logout(&tokens).await.status, 204);
    assert_eq!(app.logout(&tokens).await.status, 204);
}

#[apply(on_both_stores)]
async fn both_tokens_must_belong_to_one_user(app: TestApp) {
    let ada = app.new_user("ada").await;
    let grace = app.new_user("grace").await;
    let logout = |access: Option<&str>, refresh: &str| {
        let mut request = app.request(Method::POST, "/logout").json(&json!({"refresh": refresh}));
        if let Some(access) = access {
            request = request.bearer_auth(access);
        }
        app.send(request)
    };
    logout(None, &ada.refresh).await.assert_problem(401, "not_authenticated");
    logout(Some(&grace.access), &ada.refresh).await.assert_fields(&["refresh"]);
    logout(Some(&ada.refresh), &ada.refresh).await.assert_problem(401, "token_not_valid");
    logout(Some(&ada.access), &ada.access).await.assert_fields(&["refresh"]);
    logout(Some(&ada.access), "").await.assert_fields(&["refresh"]);
    app.refreshed(&ada.refresh).await;
}

#[actix_web::test]
async fn redis_entry_expires_with_the_refresh_token() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let tokens = app.new_user("ada").await;
    app.advance(3600);
    let access = app.login("ada").await.tokens().access;
    let request = app.request(Method::POST, "/logout").bearer_auth(access);
    assert_eq!(app.send(request.json(&json!({"refresh": tokens.refresh}))).await.status, 204);

    let keys: Vec<String> =
        redis::from_redis_value(redis.command(&["KEYS", "bl{*"]).unwrap()).unwrap();
    let is_ended = |key: &&String| {
        !key.ends_with("whole-since") && redis.query::<Vec<u8>>(&["GET", key]) == b"revoked"
    };
    let entry = keys.iter().find(is_ended).unwrap();
    let life: i64 = redis::from_redis_value(redis.command(&["TTL", entry]).unwrap()).unwrap();
    // A week and the leeway, from the login on. The test itself may take a minute.
    assert!((604_800 - 3600 - 60..=604_800 + 300).contains(&life), "{life}");
}

#[actix_web::test]
async fn logout_during_a_redis_outage_holds_afterwards() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let replica = app.replica().await;
    replica.wait_for_status("/readyz", 200).await;
    let ended = app.new_user("ended").await;
    let alive = app.new_user("alive").await;

    redis.stop();
    assert_eq!(app.logout(&ended).await.status, 204);
    app.refresh(&ended.refresh).await.assert_problem(503, "unavailable");
    redis.restart();

    // The first answers come from a replica that took no part in the logout.
    replica.refresh(&ended.refresh).await.assert_problem(401, "token_not_valid");
    replica.refreshed(&alive.refresh).await;
    app.refresh(&ended.refresh).await.assert_problem(401, "token_not_valid");
}

#[actix_web::test]
async fn logout_fails_during_a_database_outage() {
    let (app, proxy) = TestApp::with_proxy(&[]).await;
    let tokens = app.new_user("ada").await;
    proxy.cut();
    app.logout(&tokens).await.assert_problem(503, "unavailable");
    let tokens = app.refreshed(&tokens.refresh).await;
    proxy.restore();
    assert_eq!(app.logout(&tokens).await.status, 204);
    app.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
}

#[actix_web::test]
async fn logout_holds_after_redis_restarts_with_old_data() {
    let mut redis = RedisServer::start_with_snapshots();
    let app = TestApp::with_redis(&redis, &[]).await;
    let ended = app.new_user("ended").await;
    let alive = app.new_user("alive").await;
    redis.command(&["SAVE"]).unwrap();
    assert_eq!(app.logout(&ended).await.status, 204);
    // After this time the service assumes that Redis has kept the entry.
    app.advance(6);
    let marked = "SELECT 1 FROM sessions WHERE blacklisted_at IS NOT NULL";
    let url = app.database.as_ref().unwrap().url();
    wait_until("the session is marked", async || sql(&url, marked) > 0).await;

    redis.stop();
    redis.restart();
    app.refresh(&ended.refresh).await.assert_problem(401, "token_not_valid");
    app.refreshed(&alive.refresh).await;
}

#[actix_web::test]
async fn logout_holds_on_replicas_with_other_lifetimes() {
    let redis = RedisServer::start();
    let app =
        TestApp::with_redis(&redis, &["--refresh-token-lifetime=600", "--session-lifetime=600"])
            .await;
    let tokens = app.new_user("ada").await;
    let longer =
        app.replica_with(|settings| settings.session_lifetime = Duration::from_secs(60_000)).await;
    let shorter = app.replica_with(|settings| {
        settings.refresh_token_lifetime = Duration::from_secs(305);
        settings.access_token_lifetime = Duration::from_secs(300);
    });
    let shorter = shorter.await;
    for replica in [&longer, &shorter] {
        replica.wait_for_status("/readyz", 200).await;
    }
    // The login fixes the end of a session.
    app.advance(100);
    let newest = longer.refreshed(&tokens.refresh).await;
    assert_eq!(claims_of(&newest.refresh)["exp"], claims_of(&tokens.refresh)["exp"]);
    assert_eq!(shorter.logout(&newest).await.status, 204);
    redis.wipe();
    app.advance(400);
    for replica in [&longer, &shorter] {
        replica.refresh(&newest.refresh).await.assert_problem(401, "token_not_valid");
    }
}

#[apply(on_both_stores)]
async fn logout_completes_after_the_client_disconnects(app: TestApp) {
    for attempt in 0..10 {
        let tokens = app.new_user(&format!("user{attempt}")).await;
        let body = json!({"refresh": tokens.refresh}).to_string();
        let request = format!(
            "POST /logout HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            tokens.access,
            body.len()
        );
        let mut stream = std::net::TcpStream::connect(app.addr).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        drop(stream);
        // The service may not have read the request yet, so the first refreshes can succeed. Once
        // the token is rejected, the session has ended in the database and in the session state.
        let deadline = std::time::Instant::now() + Duration::from_secs(2);
        let mut refresh = tokens.refresh;
        while std::time::Instant::now() < deadline {
            let answer = app.refresh(&refresh).await;
            if answer.status == 401 {
                break;
            }
            refresh = answer.tokens().refresh;
        }
        let answer = app.refresh(&refresh).await;
        assert_eq!(answer.status, 401, "{answer:?}");
    }
}

#[apply(on_both_stores)]
async fn access_token_stays_rejected_after_its_session_is_deleted(app: TestApp) {
    for args in [
        ["--access-token-lifetime=100", "--refresh-token-lifetime=100", "--session-lifetime=1000"],
        ["--access-token-lifetime=100", "--refresh-token-lifetime=120", "--session-lifetime=120"],
    ] {
        let app = if app.database.is_some() {
            TestApp::deployed_with(&args).await
        } else {
            TestApp::embedded_with(&args).await
        };
        let tokens = app.new_user("ada").await;
        app.advance(90);
        let late = app.refreshed(&tokens.refresh).await;
        assert_eq!(app.logout(&late).await.status, 204);
        for _ in 0..60 {
            app.advance(2);
            let answer = app.get("/me", Some(&late.access)).await;
            assert_eq!(answer.status, 401, "{answer:?}");
        }
    }
}

#[actix_web::test]
async fn access_token_expires_no_later_than_its_session() {
    let args =
        ["--access-token-lifetime=60", "--refresh-token-lifetime=100", "--session-lifetime=100"];
    let app = TestApp::embedded_with(&args).await;
    let tokens = app.new_user("ada").await;
    let end = claims_of(&tokens.refresh)["session_exp"].as_i64().unwrap();
    app.advance(70);
    let form = [("grant_type", "refresh_token"), ("refresh_token", tokens.refresh.as_str())];
    let answer = app.send(app.request(reqwest::Method::POST, "/oauth/token").form(&form)).await;
    let claims = claims_of(answer.json["access_token"].as_str().unwrap());
    assert_eq!(claims["exp"], end);
    assert_eq!(answer.json["expires_in"], end - claims["iat"].as_i64().unwrap());
}
