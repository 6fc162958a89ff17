//! Outages of PostgreSQL and Redis, at start-up and later: which requests continue, which get 503,
//! and recovery without a restart.

use std::time::{Duration, Instant};

use crate::support::TestApp;
use futures_util::future::{join, join_all};
use shared::revocations::OutagePolicy;
use test_support::{Proxy, RedisServer, TestDatabase, claims_of, wait_until};

#[actix_web::test]
async fn service_starts_without_both_stores_and_recovers() {
    let mut redis = RedisServer::start();
    let database = TestDatabase::create();
    let proxy = Proxy::to(database.server_addr());
    redis.stop();
    proxy.cut();
    let url = database.url_via(proxy.addr());
    let redis_url = redis.url();
    let app =
        TestApp::deployed_on(&["--database-url", &url, "--redis-url", &redis_url], database).await;

    let answer = app.get("/readyz", None).await;
    assert_eq!(answer.status, 503);
    let mut states = answer.json.clone();
    states.as_object_mut().unwrap().remove("reasons");
    assert_eq!(
        states,
        serde_json::json!({
            "service": "ok", "keys": "unavailable", "database": "unavailable",
            "blacklist": "unavailable", "revocations": "unavailable", "clock": "unavailable",
        })
    );
    app.register("ada").await.assert_problem(503, "unavailable");
    app.login("ada").await.assert_problem(503, "unavailable");
    for path in ["/.well-known/jwks.json", "/revocations"] {
        let answer = app.get(path, None).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, "1"), "{answer:?}");
        // The next connection may reach a replica that is ready.
        assert_eq!(answer.header("connection"), "close", "{path}");
    }

    proxy.restore();
    redis.restart();
    app.wait_for_status("/readyz", 200).await;
    let tokens = app.new_user("ada").await;
    app.refreshed(&tokens.refresh).await;
}

#[actix_web::test]
async fn refreshes_continue_and_logins_fail_during_a_database_outage() {
    let (app, proxy) = TestApp::with_proxy(&[]).await;
    let mut tokens = app.new_user("ada").await;

    proxy.cut();
    app.login("ada").await.assert_problem(503, "unavailable");
    app.register("grace").await.assert_problem(503, "unavailable");
    app.get("/me", Some(&tokens.access)).await.assert_problem(503, "unavailable");
    for _ in 0..3 {
        tokens = app.refreshed(&tokens.refresh).await;
    }
    let verify = serde_json::json!({"token": tokens.access});
    assert_eq!(app.post("/token/verify", verify).await.status, 200);

    proxy.restore();
    app.wait_for_status("/readyz", 200).await;
    assert_eq!(app.login("ada").await.status, 200);
    assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
}

#[actix_web::test]
async fn refreshes_fail_and_access_tokens_work_during_a_redis_outage() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let tokens = app.new_user("ada").await;

    redis.stop();
    app.refresh(&tokens.refresh).await.assert_problem(503, "unavailable");
    assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
    assert_eq!(app.login("ada").await.status, 200);

    redis.restart();
    app.refreshed(&tokens.refresh).await;
}

#[actix_web::test]
async fn outage_policy_decides_on_access_tokens() {
    let mut redis = RedisServer::start();
    let open = TestApp::with_redis(&redis, &[]).await;
    let closed =
        open.replica_with(|settings| settings.redis.outage_policy = OutagePolicy::Closed).await;
    let bounded = OutagePolicy::Bounded(Duration::from_secs(4));
    let bounded = open.replica_with(|settings| settings.redis.outage_policy = bounded).await;
    let tokens = open.new_user("ada").await;
    let ended = open.login("ada").await.tokens();
    for replica in [&closed, &bounded] {
        replica.wait_for_status("/readyz", 200).await;
    }

    redis.stop();
    for replica in [&open, &closed, &bounded] {
        replica.wait_for_status("/readyz", 503).await;
        replica.refresh(&tokens.refresh).await.assert_problem(503, "unavailable");
    }
    let verify = serde_json::json!({"token": tokens.access});
    closed.get("/me", Some(&tokens.access)).await.assert_problem(503, "unavailable");
    closed.get("/auth/verify", Some(&tokens.access)).await.assert_problem(503, "unavailable");
    closed.post("/token/verify", verify.clone()).await.assert_problem(503, "unavailable");
    for replica in [&*open, &bounded] {
        assert_eq!(replica.get("/me", Some(&tokens.access)).await.status, 200);
        assert_eq!(replica.post("/token/verify", verify.clone()).await.status, 200);
    }
    bounded.wait_for_status_as("/me", &tokens.access, 503).await.assert_problem(503, "unavailable");
    assert_eq!(open.get("/me", Some(&tokens.access)).await.status, 200);
    // Revocations that this replica knows take effect under any policy.
    assert_eq!(open.logout(&ended).await.status, 204);
    open.get("/me", Some(&ended.access)).await.assert_problem(401, "token_not_valid");

    redis.restart();
    for replica in [&open, &closed, &bounded] {
        replica.wait_for_status("/readyz", 200).await;
        assert_eq!(replica.get("/me", Some(&tokens.access)).await.status, 200);
        replica.get("/me", Some(&ended.access)).await.assert_problem(401, "token_not_valid");
    }
}

#[actix_web::test]
async fn lost_session_state_decides_nothing_during_a_database_outage() {
    let mut redis = RedisServer::start_with_snapshots();
    let (app, proxy) = TestApp::with_proxy_and_redis(&redis, &["--database-timeout=1"]).await;
    let alive = app.new_user("ada").await;
    let ended = app.login("ada").await.tokens();
    assert_eq!(app.logout(&ended).await.status, 204);
    let verify = serde_json::json!({"token": alive.access});

    proxy.cut();
    redis.wipe();
    for tokens in [&alive, &ended] {
        app.refresh(&tokens.refresh).await.assert_problem(503, "unavailable");
    }
    redis.stop();
    app.refresh(&alive.refresh).await.assert_problem(503, "unavailable");
    app.login("ada").await.assert_problem(503, "unavailable");
    assert_eq!(app.post("/token/verify", verify).await.status, 200);

    redis.restart();
    proxy.restore();
    app.wait_for_status("/readyz", 200).await;
    app.refreshed(&alive.refresh).await;
    app.refresh(&ended.refresh).await.assert_problem(401, "token_not_valid");
}

#[actix_web::test]
async fn requests_wait_briefly_for_a_redis_that_hangs() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let tokens = app.new_user("ada").await;

    redis.pause();
    let began = Instant::now();
    let refreshes = join_all((0..30).map(|_| app.refresh(&tokens.refresh)));
    let calls = join_all((0..10).map(|_| app.get("/me", Some(&tokens.access))));
    let (refreshes, calls) = join(refreshes, calls).await;
    // Each request waits for at most the limit of a second, or shares the wait of another request.
    // Consecutive waits would take a minute.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    for answer in refreshes {
        answer.assert_problem(503, "unavailable");
    }
    for answer in calls {
        assert_eq!(answer.status, 200);
    }
    redis.unpause();
    // Redis did not execute an abandoned refresh later: the token is still the newest one.
    app.wait_for_status("/readyz", 200).await;
    app.advance(60);
    let next = app.refreshed(&tokens.refresh).await;
    assert_eq!(claims_of(&next.refresh)["gen"], 1);
}

#[actix_web::test]
async fn hanging_database_connections_are_replaced() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1"]).await;
    app.register("ada").await;
    join_all((0..10).map(|_| app.login("ada"))).await;
    proxy.blackhole_open();
    app.login("ada").await.assert_problem(503, "unavailable");
    wait_until("logins work again", async || app.login("ada").await.status == 200).await;
}

#[actix_web::test]
async fn hanging_redis_connections_are_replaced() {
    let redis = RedisServer::start();
    let database = TestDatabase::create();
    let proxy = Proxy::to(redis.addr());
    let url = database.url();
    let redis_url = format!("redis://{}/", proxy.addr());
    let app =
        TestApp::deployed_on(&["--database-url", &url, "--redis-url", &redis_url], database).await;
    let app = app.ready().await;
    let tokens = app.new_user("ada").await;
    proxy.blackhole_open();
    app.refresh(&tokens.refresh).await.assert_problem(503, "unavailable");
    wait_until("refreshes work again", async || app.refresh(&tokens.refresh).await.status == 200)
        .await;
}
