//! What it takes to remember all sessions that ended lately.

use std::time::{Duration, Instant};

use system_tests::{Deployment, is_accepted, until_refused};
use test_support::{Client, Process, Proxy, RedisServer, program, sized};

/// Waits until a service follows the revocations: a million of them take longer than anything else that is waited for.
async fn until_caught_up(resource: &Client) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while resource.get("/readyz", None).await.json["revocations"] != "ok" {
        assert!(Instant::now() < deadline, "it does not catch up");
    }
}

async fn until_ready(auth: &Client) {
    let deadline = Instant::now() + Duration::from_secs(600);
    while auth.get("/readyz", None).await.status != 200 {
        assert!(Instant::now() < deadline, "it does not become ready");
    }
}

#[tokio::test]
async fn a_million_sessions_that_ended_lately_are_followed() {
    let count = sized(20_000, 125_000, 1_000_000);
    let redis = RedisServer::start_with_snapshots();
    // They matter for as long as an access token lives.
    let url = redis.url();
    let settings = [("REDIS_URL", url.as_str()), ("ACCESS_TOKEN_LIFETIME", "3600")];
    let mut deployment = Deployment::start_with(0, &settings).await;
    // Of other replicas, that have told the Redis of that time.
    let inserted = deployment.sql(&format!(
        "INSERT INTO sessions (id, created_at, expires_at, revoked_at, revoked_cause, blacklisted_at)
         SELECT gen_random_uuid(), now_ms, now_ms + 604800000, now_ms, 'logout', now_ms
         FROM (SELECT (extract(epoch FROM now()) * 1000)::bigint AS now_ms) AS now, generate_series(1, {count})"
    ));
    assert_eq!(inserted, count);

    let began = Instant::now();
    let process = deployment.replica(&[]);
    let auth = Client::new(process.addr(0));
    until_ready(&auth).await;
    println!("auth-service is ready after {:?}, with {} MB", began.elapsed(), process.memory() / 1_000_000);
    deployment.auth.push(process);
    let (alive, gone) = (auth.new_user("ada").await, auth.login("ada").await.tokens());

    // It listens to nothing at first.
    let proxy = Proxy::to(deployment.auth[0].addr(0).to_string());
    proxy.cut();
    let settings = deployment.resource_settings(&proxy.addr().to_string());
    let settings: Vec<(&str, &str)> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let process = Process::start(&program("resource-service"), 1, &settings);
    let resource = Client::new(process.addr(0));
    resource.until_json("/readyz", &[("keys", "ok"), ("revocations", "unavailable")]).await;
    assert!(is_accepted(&resource, &alive).await && is_accepted(&resource, &gone).await);
    let before = process.memory();
    proxy.mend();
    let began = Instant::now();
    until_caught_up(&resource).await;
    let caught_up = began.elapsed();
    let after = process.memory();
    println!(
        "resource-service has heard of {count} after {caught_up:?}: {} MB before, {} MB after, {} bytes each",
        before / 1_000_000,
        after / 1_000_000,
        after.saturating_sub(before) / count,
    );
    println!("auth-service has {} MB now", deployment.auth[0].memory() / 1_000_000);

    assert_eq!(auth.logout(&gone).await.status, 204);
    until_refused(&resource, &gone).await;
    assert!(is_accepted(&resource, &alive).await);
    auth.refreshed(&alive.refresh).await;
}
