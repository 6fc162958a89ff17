//! Failover of PostgreSQL from its primary to a replica.

use std::time::Instant;

use crate::support::TestApp;
use test_support::{PostgresServer, wait_until};

#[actix_web::test]
async fn promoted_replica_is_found_without_a_restart() {
    let primary = PostgresServer::start();
    let replica = primary.replica();
    let hosts = format!("127.0.0.1:{},127.0.0.1:{}", primary.port(), replica.port());
    let url = format!("postgres://postgres@{hosts}/postgres?target_session_attrs=read-write");
    let app = TestApp::on_database(&url, &[], None).await.ready().await;
    let before = app.new_user("ada").await;

    primary.stop();
    app.login("ada").await.assert_problem(503, "unavailable");
    let before = app.refreshed(&before.refresh).await;
    replica.promote();

    let began = Instant::now();
    wait_until("logins work again", async || app.login("ada").await.status == 200).await;
    println!("logins work again {:?} after the promotion", began.elapsed());
    app.wait_for_status("/readyz", 200).await;
    assert_eq!(app.logout(&before).await.status, 204);
    assert_eq!(app.refresh(&before.refresh).await.status, 401);
}
