//! Memory and time that the services need to remember many recently ended sessions.

use std::time::Instant;

use system_tests::{Deployment, is_accepted, wait_until_refused};
use test_support::{Client, Process, Proxy, RedisServer, sized};

/// Inserts sessions that other replicas have just ended and written to Redis, before Redis lost
/// them.
fn insert_ended_sessions(deployment: &Deployment, count: usize) {
    let inserted = deployment.sql(&format!(
        "INSERT INTO sessions
             (id, created_at, expires_at, revoked_at, revoked_cause, blacklisted_at)
         SELECT gen_random_uuid(), now_ms, now_ms + 604800000, now_ms, 'logout', now_ms
         FROM (SELECT (extract(epoch FROM now()) * 1000)::bigint AS now_ms) AS now,
             generate_series(1, {count})"
    ));
    assert_eq!(inserted, count);
}

fn megabytes(process: &Process) -> usize {
    process.memory() / 1_000_000
}

#[tokio::test]
async fn a_service_follows_a_feed_of_a_million_recently_ended_sessions() {
    let count = sized(20_000, 125_000, 1_000_000);
    let redis = RedisServer::start_with_snapshots();
    let url = redis.url();
    // The services remember an ended session for the lifetime of an access token.
    let settings = [("REDIS_URL", url.as_str()), ("ACCESS_TOKEN_LIFETIME", "3600")];
    let mut deployment = Deployment::start_with(0, &settings).await;
    insert_ended_sessions(&deployment, count);

    let began = Instant::now();
    let process = deployment.start_replica(&[]);
    let auth = Client::new(process.addr(0));
    auth.wait_for_status("/readyz", 200).await;
    println!("auth-service: ready after {:?}, {} MB", began.elapsed(), megabytes(&process));
    deployment.auth.push(process);
    let alive = auth.new_user("ada").await;
    let ended = auth.login("ada").await.tokens();

    let proxy = Proxy::to(deployment.addr(0));
    proxy.cut();
    let process = deployment.start_resource_service(&proxy.addr().to_string(), &[]);
    let resource = Client::new(process.addr(0));
    let without_feed = [("keys", "ok"), ("revocations", "unavailable")];
    resource.wait_for_fields("/readyz", &without_feed).await;
    // Until its first connection to the feed, a service waits for some seconds.
    for tokens in [&alive, &ended] {
        resource.wait_for_status_as("/whoami", &tokens.access, 200).await;
    }
    let before = process.memory();
    proxy.restore();
    let began = Instant::now();
    resource.wait_for_fields("/readyz", &[("revocations", "ok")]).await;
    println!("resource-service: {count} ended sessions received after {:?}", began.elapsed());
    let each = process.memory().saturating_sub(before) / count;
    println!("resource-service: {} MB, {each} bytes a session", megabytes(&process));
    println!("auth-service: {} MB", megabytes(&deployment.auth[0]));

    assert_eq!(auth.logout(&ended).await.status, 204);
    wait_until_refused(&resource, &ended).await;
    assert!(is_accepted(&resource, &alive).await);
    auth.refreshed(&alive.refresh).await;
}
