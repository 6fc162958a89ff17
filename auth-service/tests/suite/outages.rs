//! PostgreSQL or Redis away, at the start or later: what goes on, what is answered 503, and that it comes back
//! without a restart.

use std::time::{Duration, Instant};

use crate::support::TestApp;
use futures_util::future::{join, join_all};
use shared::revocations::OutagePolicy;
use test_support::{Proxy, RedisServer, TestDatabase, claims_of};

#[actix_web::test]
async fn starts_without_either_and_recovers() {
    let (mut redis, database) = (RedisServer::start(), TestDatabase::create());
    let proxy = Proxy::to(database.server_addr());
    redis.stop();
    proxy.cut();
    let (url, redis_url) = (database.url_via(proxy.addr()), redis.url());
    let app = TestApp::deployed_on(&["--database-url", &url, "--redis-url", &redis_url], database).await;

    let answer = app.get("/readyz", None).await;
    assert_eq!(answer.status, 503);
    let mut states = answer.json.clone();
    states.as_object_mut().unwrap().remove("reasons");
    assert_eq!(
        states,
        serde_json::json!({"service": "ok", "keys": "unavailable", "database": "unavailable", "blacklist": "unavailable", "revocations": "unavailable"})
    );
    app.register("ada").await.assert_problem(503, "unavailable");
    app.login("ada").await.assert_problem(503, "unavailable");
    app.get("/.well-known/jwks.json", None).await.assert_problem(503, "unavailable");

    proxy.restore();
    redis.restart();
    app.wait_for_status("/readyz", 200).await;
    let tokens = app.new_user("ada").await;
    app.refreshed(&tokens.refresh).await;
}

#[actix_web::test]
async fn without_the_database_refreshes_go_on_and_logins_wait() {
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
async fn without_redis_refreshes_wait_and_access_tokens_are_accepted() {
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
async fn without_redis_the_policy_decides_on_access_tokens() {
    let mut redis = RedisServer::start();
    let open = TestApp::with_redis(&redis, &[]).await;
    let closed = open.replica_with(|settings| settings.redis_outage = OutagePolicy::Closed).await;
    let bounded = OutagePolicy::Bounded(Duration::from_secs(4));
    let bounded = open.replica_with(|settings| settings.redis_outage = bounded).await;
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
    // What this replica has heard of counts all the same.
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
async fn a_blacklist_that_is_lost_while_the_database_is_away_answers_nobody() {
    let mut redis = RedisServer::start_with_snapshots();
    let (app, proxy) = TestApp::with_proxy_and_redis(&redis, &["--database-timeout=1"]).await;
    let (alive, ended) = (app.new_user("ada").await, app.login("ada").await.tokens());
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
async fn a_redis_that_hangs_keeps_nobody_waiting_long() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let tokens = app.new_user("ada").await;

    redis.pause();
    let began = Instant::now();
    let refreshes = join_all((0..30).map(|_| app.refresh(&tokens.refresh)));
    let calls = join_all((0..10).map(|_| app.get("/me", Some(&tokens.access))));
    let (refreshes, calls) = join(refreshes, calls).await;
    // Each waits for the limit of a second, or shares somebody's wait; one after the other would take a minute.
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    for answer in refreshes {
        answer.assert_problem(503, "unavailable");
    }
    for answer in calls {
        assert_eq!(answer.status, 200);
    }
    redis.unpause();
    // What was given up was not carried out later: the token is as good as before, long after.
    app.wait_for_status("/readyz", 200).await;
    app.advance(60);
    let next = app.refreshed(&tokens.refresh).await;
    assert_eq!(claims_of(&next.refresh)["gen"], 1);
}

#[actix_web::test]
async fn database_connections_that_hang_are_given_up() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1"]).await;
    app.register("ada").await;
    join_all((0..10).map(|_| app.login("ada"))).await;
    proxy.blackhole_open();
    app.login("ada").await.assert_problem(503, "unavailable");
    let deadline = Instant::now() + Duration::from_secs(40);
    while app.login("ada").await.status != 200 {
        assert!(Instant::now() < deadline, "it does not recover");
    }
}

#[actix_web::test]
async fn redis_connections_that_hang_are_given_up() {
    let (redis, database) = (RedisServer::start(), TestDatabase::create());
    let proxy = Proxy::to(redis.addr());
    let (url, redis_url) = (database.url(), format!("redis://{}/", proxy.addr()));
    let app = TestApp::deployed_on(&["--database-url", &url, "--redis-url", &redis_url], database).await;
    let app = app.ready().await;
    let tokens = app.new_user("ada").await;
    proxy.blackhole_open();
    app.refresh(&tokens.refresh).await.assert_problem(503, "unavailable");
    let deadline = Instant::now() + Duration::from_secs(10);
    while app.refresh(&tokens.refresh).await.status != 200 {
        assert!(Instant::now() < deadline, "it does not recover");
    }
}
