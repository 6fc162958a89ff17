//! A Redis Cluster, and a Redis that Sentinels watch over, of which a master dies before its replica has heard of the last
//! logouts: refreshes recover by themselves, and nothing that was revoked comes back.

use std::time::{Duration, Instant};

use crate::support::TestApp;
use actix_web::web;
use test_support::{RedisCluster, RedisSentinels, RedisServer, TestDatabase, Tokens};

/// Enough for every server of a cluster to have some.
const SESSIONS: usize = 16;

#[actix_web::test]
async fn a_cluster_recovers_from_the_death_of_a_master_and_nothing_revoked_comes_back() {
    let mut cluster = RedisCluster::start();
    let database = TestDatabase::create();
    let app = TestApp::on(&["--database-url", &database.url(), "--redis-url", &cluster.url()]).await;
    let (alive, ended) = two_kinds_of_sessions(&app).await;

    cluster.replicas[0].pause();
    log_out(&app, &cluster.masters[0], &ended).await;
    cluster.masters[0].stop();
    cluster.replicas[0].unpause();

    assert_alive_and_ended(&app, alive, ended).await;
}

#[actix_web::test]
async fn what_sentinels_promote_is_found_and_nothing_revoked_comes_back() {
    let mut redis = RedisSentinels::start();
    let database = TestDatabase::create();
    let app = TestApp::on(&["--database-url", &database.url(), "--redis-url", &redis.url()]).await;
    let (alive, ended) = two_kinds_of_sessions(&app).await;

    redis.replicas.iter().for_each(RedisServer::pause);
    log_out(&app, &redis.master, &ended).await;
    redis.master.stop();
    redis.replicas.iter().for_each(RedisServer::unpause);

    assert_alive_and_ended(&app, alive, ended).await;
}

#[actix_web::test]
async fn a_master_that_became_a_replica_is_left_for_the_one_that_took_over() {
    let redis = RedisSentinels::start();
    let database = TestDatabase::create();
    let app = TestApp::on(&["--database-url", &database.url(), "--redis-url", &redis.url()]).await;
    let (alive, ended) = two_kinds_of_sessions(&app).await;
    for tokens in &ended {
        assert_eq!(app.logout(tokens).await.status, 204);
    }

    // Elsewhere: it takes longer than a connection is kept that nobody uses.
    let redis = web::block(move || {
        redis.fail_over();
        redis
    });
    let _redis = redis.await.unwrap();

    assert_alive_and_ended(&app, alive, ended).await;
}

#[actix_web::test]
async fn a_cluster_that_moves_its_slots_is_followed() {
    let cluster = RedisCluster::start();
    let database = TestDatabase::create();
    let app = TestApp::on(&["--database-url", &database.url(), "--redis-url", &cluster.url()]).await;
    let (alive, ended) = two_kinds_of_sessions(&app).await;
    for tokens in &ended {
        assert_eq!(app.logout(tokens).await.status, 204);
    }

    for replica in &cluster.replicas {
        replica.command(&["CLUSTER", "FAILOVER"]).unwrap();
    }

    assert_alive_and_ended(&app, alive, ended).await;
}

/// Sessions that are to live, and others that are to end, all refreshed once.
async fn two_kinds_of_sessions(app: &TestApp) -> (Vec<Tokens>, Vec<Tokens>) {
    app.register("ada").await;
    let mut sessions = Vec::new();
    for _ in 0..2 * SESSIONS {
        let tokens = app.login("ada").await.tokens();
        sessions.push(app.refreshed(&tokens.refresh).await);
    }
    let ended = sessions.split_off(SESSIONS);
    (sessions, ended)
}

/// Ends sessions, of which the replicas of this master hear nothing.
async fn log_out(app: &TestApp, master: &RedisServer, ended: &[Tokens]) {
    // A replica that is paused would find in its connection what it missed.
    master.command(&["CLIENT", "KILL", "TYPE", "replica"]).unwrap();
    for tokens in ended {
        assert_eq!(app.logout(tokens).await.status, 204);
    }
}

/// After 503s at most, each session that is alive is refreshed, and those that have ended stay so.
async fn assert_alive_and_ended(app: &TestApp, alive: Vec<Tokens>, ended: Vec<Tokens>) {
    let began = Instant::now();
    for tokens in &alive {
        assert_eq!(status_once_answered(app, tokens).await, 200);
    }
    println!("sessions that were alive are all refreshed again after {:?}", began.elapsed());
    for tokens in &ended {
        assert_eq!(status_once_answered(app, tokens).await, 401);
    }
    app.wait_for_status("/readyz", 200).await;
}

async fn status_once_answered(app: &TestApp, tokens: &Tokens) -> u16 {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = app.refresh(&tokens.refresh).await.status;
        if status != 503 {
            return status;
        }
        assert!(Instant::now() < deadline, "no answer but 503");
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
}
