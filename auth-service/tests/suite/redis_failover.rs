//! Failover of a Redis Cluster, and of a Redis with Sentinels, before the replica has the last
//! logouts: refreshes recover without a restart, and ended sessions stay ended.

use std::time::Instant;

use crate::support::TestApp;
use actix_web::web;
use test_support::{RedisCluster, RedisSentinels, RedisServer, TestDatabase, Tokens, wait_until};

/// Enough sessions for every server of a cluster to hold some of them.
const SESSIONS: usize = 16;

#[actix_web::test]
async fn cluster_recovers_after_a_master_stops() {
    let mut cluster = RedisCluster::start();
    let database = TestDatabase::create();
    let app =
        TestApp::on_stores(&["--database-url", &database.url(), "--redis-url", &cluster.url()])
            .await;
    let (alive, ended) = create_sessions(&app).await;

    cluster.replicas[0].pause();
    log_out(&app, &cluster.masters[0], &ended).await;
    cluster.masters[0].stop();
    cluster.replicas[0].unpause();

    assert_alive_and_ended(&app, alive, ended).await;
}

#[actix_web::test]
async fn promoted_replica_is_found_through_sentinels() {
    let mut redis = RedisSentinels::start();
    let database = TestDatabase::create();
    let app =
        TestApp::on_stores(&["--database-url", &database.url(), "--redis-url", &redis.url()]).await;
    let (alive, ended) = create_sessions(&app).await;

    redis.replicas.iter().for_each(RedisServer::pause);
    log_out(&app, &redis.master, &ended).await;
    redis.master.stop();
    redis.replicas.iter().for_each(RedisServer::unpause);

    assert_alive_and_ended(&app, alive, ended).await;
}

#[actix_web::test]
async fn demoted_master_is_replaced_by_the_new_master() {
    let redis = RedisSentinels::start();
    let database = TestDatabase::create();
    let app =
        TestApp::on_stores(&["--database-url", &database.url(), "--redis-url", &redis.url()]).await;
    let (alive, ended) = create_sessions(&app).await;
    for tokens in &ended {
        assert_eq!(app.logout(tokens).await.status, 204);
    }

    // On another thread, because the failover outlasts the keep-alive of an idle connection.
    let redis = web::block(move || {
        redis.fail_over();
        redis
    });
    let _redis = redis.await.unwrap();

    assert_alive_and_ended(&app, alive, ended).await;
}

#[actix_web::test]
async fn moved_cluster_slots_are_found() {
    let cluster = RedisCluster::start();
    let database = TestDatabase::create();
    let app =
        TestApp::on_stores(&["--database-url", &database.url(), "--redis-url", &cluster.url()])
            .await;
    let (alive, ended) = create_sessions(&app).await;
    for tokens in &ended {
        assert_eq!(app.logout(tokens).await.status, 204);
    }

    for replica in &cluster.replicas {
        replica.command(&["CLUSTER", "FAILOVER"]).unwrap();
    }

    assert_alive_and_ended(&app, alive, ended).await;
}

/// Creates sessions, refreshes each once, and returns two halves: to keep alive, and to end.
async fn create_sessions(app: &TestApp) -> (Vec<Tokens>, Vec<Tokens>) {
    app.register("ada").await;
    let mut sessions = Vec::new();
    for _ in 0..2 * SESSIONS {
        let tokens = app.login("ada").await.tokens();
        sessions.push(app.refreshed(&tokens.refresh).await);
    }
    let ended = sessions.split_off(SESSIONS);
    (sessions, ended)
}

/// Ends sessions without the knowledge of the replicas of this master.
async fn log_out(app: &TestApp, master: &RedisServer, ended: &[Tokens]) {
    // A paused replica would later read the missed commands from an open connection.
    master.command(&["CLIENT", "KILL", "TYPE", "replica"]).unwrap();
    for tokens in ended {
        assert_eq!(app.logout(tokens).await.status, 204);
    }
}

/// Asserts that live sessions are refreshed and ended sessions are rejected, after any 503s.
async fn assert_alive_and_ended(app: &TestApp, alive: Vec<Tokens>, ended: Vec<Tokens>) {
    let began = Instant::now();
    for tokens in &alive {
        assert_eq!(status_once_answered(app, tokens).await, 200);
    }
    println!("all live sessions are refreshed after {:?}", began.elapsed());
    for tokens in &ended {
        assert_eq!(status_once_answered(app, tokens).await, 401);
    }
    app.wait_for_status("/readyz", 200).await;
}

/// Refreshes until the status is not 503, and returns the status.
async fn status_once_answered(app: &TestApp, tokens: &Tokens) -> u16 {
    wait_until("a refresh is answered without 503", async || {
        let status = app.refresh(&tokens.refresh).await.status;
        (status != 503).then_some(status)
    })
    .await
}
