//! `POST /logout`: a session ends, and stays ended.

mod support;

use reqwest::Method;
use serde_json::json;
use support::TestApp;
use test_support::{Proxy, RedisServer, TestDatabase, redis_url, unique};

on_both! {
    async fn ends_the_session_and_no_other(app: TestApp) {
        let app = app.ready().await;
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

    async fn may_be_asked_for_twice(app: TestApp) {
        let app = app.ready().await;
        let tokens = app.new_user("ada").await;
        assert_eq!(app.logout(&tokens).await.status, 204);
        assert_eq!(app.logout(&tokens).await.status, 204);
    }

    async fn needs_both_tokens_of_one_user(app: TestApp) {
        let app = app.ready().await;
        let (ada, grace) = (app.new_user("ada").await, app.new_user("grace").await);
        let logout = |access: Option<&str>, refresh: &str| {
            let mut request = app.request(Method::POST, "/logout").json(&json!({"refresh": refresh}));
            if let Some(access) = access {
                request = request.bearer_auth(access);
            }
            app.send(request)
        };
        logout(None, &ada.refresh).await.assert_problem(401, "not_authenticated");
        logout(Some(&grace.access), &ada.refresh).await.assert_problem(401, "token_not_valid");
        logout(Some(&ada.refresh), &ada.refresh).await.assert_problem(401, "token_not_valid");
        logout(Some(&ada.access), &ada.access).await.assert_problem(401, "token_not_valid");
        logout(Some(&ada.access), "").await.assert_fields(&["refresh"]);
        app.refreshed(&ada.refresh).await;
    }
}

#[actix_web::test]
async fn the_entry_in_redis_expires_with_the_refresh_token() {
    let (redis, database) = (RedisServer::start(), TestDatabase::create());
    let (redis_url, url) = (redis.url(), database.url());
    let app = TestApp::deployed_on(&["--database-url", &url, "--redis-url", &redis_url], database).await;
    let app = app.ready().await;
    // A session of the very second in which the blacklist was built might be older than it.
    app.advance(1);
    let tokens = app.new_user("ada").await;
    app.advance(3600);
    let access = app.login("ada").await.tokens().access;
    let request = app.request(Method::POST, "/logout").bearer_auth(access);
    assert_eq!(app.send(request.json(&json!({"refresh": tokens.refresh}))).await.status, 204);

    let keys: Vec<String> =
        redis::from_redis_value(redis.command(&["KEYS", "blacklist:*"]).unwrap()).unwrap();
    let entry = keys.iter().find(|key| !key.ends_with("whole-since")).unwrap();
    let life: i64 = redis::from_redis_value(redis.command(&["TTL", entry]).unwrap()).unwrap();
    // A week less the hour that has passed; a minute for the test itself.
    assert!((604_800 - 3600 - 60..=604_800 - 3600).contains(&life), "{life}");
}

#[actix_web::test]
async fn succeeds_without_redis_and_holds_when_it_is_back() {
    let (mut redis, database) = (RedisServer::start(), TestDatabase::create());
    let (redis_url, url) = (redis.url(), database.url());
    let app = TestApp::deployed_on(&["--database-url", &url, "--redis-url", &redis_url], database).await;
    let app = app.ready().await;
    let replica = app.replica().await;
    replica.until_get("/readyz", 200).await;
    let (gone, alive) = (app.new_user("gone").await, app.new_user("alive").await);

    redis.stop();
    assert_eq!(app.logout(&gone).await.status, 204);
    app.refresh(&gone.refresh).await.assert_problem(503, "unavailable");
    redis.resume();

    // The very first answers, from a replica that took no part in the logout.
    replica.refresh(&gone.refresh).await.assert_problem(401, "token_not_valid");
    replica.refreshed(&alive.refresh).await;
    app.refresh(&gone.refresh).await.assert_problem(401, "token_not_valid");
}

#[actix_web::test]
async fn is_not_claimed_while_the_database_is_away() {
    let database = TestDatabase::create();
    let proxy = Proxy::to(database.server_addr());
    let (url, redis, prefix) = (database.url_via(proxy.addr()), redis_url(), unique("test:"));
    let args = ["--database-url", &url, "--redis-url", &redis, "--redis-key-prefix", &prefix];
    let app = TestApp::deployed_on(&args, database).await.ready().await;
    let tokens = app.new_user("ada").await;
    proxy.cut();
    app.logout(&tokens).await.assert_problem(503, "unavailable");
    let tokens = app.refreshed(&tokens.refresh).await;
    proxy.mend();
    assert_eq!(app.logout(&tokens).await.status, 204);
    app.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
}
