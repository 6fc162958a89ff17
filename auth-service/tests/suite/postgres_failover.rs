//! A PostgreSQL whose primary stops, and whose replica takes over.

use std::time::{Duration, Instant};

use crate::support::TestApp;
use test_support::{PostgresServer, redis_url, unique};

#[actix_web::test]
async fn a_replica_that_was_promoted_is_found_without_a_restart() {
    let primary = PostgresServer::start();
    let replica = primary.replica();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), replica.port());
    let url = format!("postgres://postgres@{hosts}/postgres?target_session_attrs=read-write");
    let (redis, prefix) = (redis_url(), unique("test:"));
    let args = ["--database-url", &url, "--redis-url", &redis, "--redis-key-prefix", &prefix];
    let app = TestApp::on(&args).await;
    let before = app.new_user("ada").await;

    primary.stop();
    app.login("ada").await.assert_problem(503, "unavailable");
    let before = app.refreshed(&before.refresh).await;
    replica.promote();

    let began = Instant::now();
    while app.login("ada").await.status != 200 {
        assert!(began.elapsed() < Duration::from_secs(60), "no login");
        actix_web::rt::time::sleep(Duration::from_millis(20)).await;
    }
    println!("logins work again {:?} after the promotion", began.elapsed());
    app.wait_for_status("/readyz", 200).await;
    assert_eq!(app.logout(&before).await.status, 204);
    assert_eq!(app.refresh(&before.refresh).await.status, 401);
}
