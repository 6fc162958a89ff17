//! Session state without an entry of a session: Redis evicted it or lost it. The database knows
//! whether the session has ended.

use crate::{
    metrics::metric,
    support::{TestApp, auth_service},
};
use redis::Commands;
use serde_json::json;
use shared::revocations::OutagePolicy;
use test_support::{RedisServer, Tokens, sql, wait_until};

/// Returns the keys of the sessions' entries.
fn entries(redis: &RedisServer) -> Vec<String> {
    let keys: Vec<String> = redis.query(&["KEYS", "bl{*"]);
    keys.into_iter().filter(|key| !key.ends_with("whole-since")).collect()
}

/// Deletes all entries of sessions, and nothing else.
fn lose_entries(redis: &RedisServer) {
    for entry in entries(redis) {
        redis.command(&["DEL", &entry]).unwrap();
    }
}

/// Fills the memory of Redis with another database until Redis has evicted every entry of a session,
/// and empties that database again.
fn evict_entries(redis: &RedisServer) {
    let url = format!("{}1", redis.url());
    let mut other = redis::Client::open(url).unwrap().get_connection().unwrap();
    let value = "x".repeat(50_000);
    for number in 0.. {
        let is_full = other.set::<_, _, ()>(number, &value).is_err();
        if entries(redis).is_empty() {
            break;
        }
        assert!(!is_full, "Redis refuses a write before it evicts an entry");
    }
    redis::cmd("FLUSHDB").exec(&mut other).unwrap();
}

impl TestApp {
    /// Waits until the database knows this generation of a session. It is written behind.
    async fn wait_for_generation(&self, generation: u64) {
        let url = self.database.as_ref().unwrap().url();
        let find = format!("UPDATE sessions SET ip = ip WHERE generation = {generation}");
        wait_until("the generation is written", async || sql(&url, &find) == 1).await;
    }

    async fn verify_status(&self, token: &str) -> u16 {
        self.post("/token/verify", json!({"token": token})).await.status
    }

    async fn assert_refused(&self, tokens: &Tokens) {
        self.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
        for path in ["/me", "/auth/verify"] {
            self.get(path, Some(&tokens.access)).await.assert_problem(401, "token_not_valid");
        }
        for token in [&tokens.access, &tokens.refresh] {
            assert_eq!(self.verify_status(token).await, 401);
        }
    }
}

#[actix_web::test]
async fn logged_out_session_stays_ended_after_redis_evicts_its_entry() {
    let redis =
        RedisServer::start_with(&["--maxmemory", "16mb", "--maxmemory-policy", "volatile-lru"]);
    let app = TestApp::with_redis(&redis, &[]).await;
    let ended = app.new_user("ada").await;
    let ended = app.refreshed(&ended.refresh).await;
    assert_eq!(app.logout(&ended).await.status, 204);
    let alive = app.login("ada").await.tokens();
    // The end is settled, so no replica writes it to Redis again.
    app.advance(6);
    let url = app.database.as_ref().unwrap().url();
    let is_settled = "UPDATE sessions SET ip = ip WHERE blacklisted_at IS NOT NULL";
    wait_until("the end is settled", async || sql(&url, is_settled) == 1).await;
    // A policy that evicts is a warning before anything is evicted.
    wait_until("the policy is a warning", async || {
        let answer = app.get("/readyz", None).await;
        answer.status == 200
            && answer.json["reasons"]["blacklist"]
                == "warning: Redis may evict keys (maxmemory-policy volatile-lru)"
    })
    .await;
    assert_eq!(metric(&app, "auth_redis_may_evict").await, 1.0);
    assert_eq!(metric(&app, "auth_redis_evicted_keys").await, 0.0);

    evict_entries(&redis);
    app.assert_refused(&ended).await;
    evict_entries(&redis);
    assert_eq!(app.get("/me", Some(&alive.access)).await.status, 200);
    app.refreshed(&alive.refresh).await;
    wait_until("the eviction is a warning", async || {
        let answer = app.get("/readyz", None).await;
        assert_eq!((answer.status, &answer.json["blacklist"]), (200, &json!("ok")));
        answer.json["reasons"]["blacklist"]
            == "warning: Redis has evicted keys (maxmemory-policy volatile-lru)"
    })
    .await;
    assert!(metric(&app, "auth_redis_evicted_keys").await > 0.0);
    assert!(metric(&app, "auth_blacklist_restored_total").await >= 1.0);

    let database = app.database.as_ref().unwrap().url();
    let report = auth_service(
        &app.folder,
        &["doctor", "--database-url", &database, "--redis-url", &redis.url()],
    );
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(report.contains("maxmemory-policy is volatile-lru"), "{report}");
    assert!(report.contains("keys since its start"), "{report}");
}

#[actix_web::test]
async fn login_writes_the_entry_of_its_session() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let tokens = app.new_user("ada").await;
    assert_eq!(entries(&redis).len(), 1);
    assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
    app.refreshed(&tokens.refresh).await;
    assert_eq!(metric(&app, "auth_blacklist_restored_total").await, 0.0);
}

#[actix_web::test]
async fn rotated_token_ends_its_session_although_its_entry_was_lost() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let stolen = app.new_user("ada").await;
    let newest = app.refreshed(&app.refreshed(&stolen.refresh).await.refresh).await;
    app.wait_for_generation(2).await;
    lose_entries(&redis);
    app.refresh(&stolen.refresh).await.assert_problem(401, "token_not_valid");
    app.assert_refused(&newest).await;
}

#[actix_web::test]
async fn honest_client_is_not_logged_out_by_the_loss_of_entries() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let mut tokens = app.new_user("ada").await;
    // The database may know the newest generation, or an older one.
    for _ in 0..5 {
        lose_entries(&redis);
        assert_eq!(app.get("/me", Some(&tokens.access)).await.status, 200);
        lose_entries(&redis);
        assert_eq!(app.verify_status(&tokens.refresh).await, 200);
        lose_entries(&redis);
        tokens = app.refreshed(&tokens.refresh).await;
    }
    // A lost answer is given again.
    app.wait_for_generation(5).await;
    let next = app.refreshed(&tokens.refresh).await;
    app.wait_for_generation(6).await;
    lose_entries(&redis);
    app.refreshed(&tokens.refresh).await;
    app.refreshed(&next.refresh).await;
}

#[actix_web::test]
async fn token_of_a_client_is_judged_by_the_database_too() {
    let redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    let client = app.client("job", &[]);
    let token = app.client_token(&client).await;
    for _ in 0..2 {
        lose_entries(&redis);
        assert_eq!(app.get("/auth/verify", Some(&token)).await.status, 200);
        lose_entries(&redis);
        assert_eq!(app.introspect(&token, &client).await["active"], true);
    }
    assert_eq!(app.revoke(&token, Some(&client)).await.status, 200);
    for _ in 0..2 {
        lose_entries(&redis);
        app.get("/auth/verify", Some(&token)).await.assert_problem(401, "token_not_valid");
        lose_entries(&redis);
        assert_eq!(app.introspect(&token, &client).await["active"], false);
    }
}

#[actix_web::test]
async fn session_without_an_entry_waits_for_a_database_that_is_away() {
    let redis = RedisServer::start();
    let (app, proxy) = TestApp::with_proxy_and_redis(&redis, &["--database-timeout=1"]).await;
    let bounded = OutagePolicy::Bounded(std::time::Duration::from_secs(60));
    let strict = app.replica_with(|settings| settings.redis.outage_policy = bounded).await;
    strict.wait_for_status("/readyz", 200).await;
    let alive = app.new_user("ada").await;
    let ended = app.login("ada").await.tokens();
    assert_eq!(app.logout(&ended).await.status, 204);
    strict.wait_for_status_as("/auth/verify", &ended.access, 401).await;

    let other = app.login("ada").await.tokens();
    lose_entries(&redis);
    let other = app.refreshed(&other.refresh).await;
    proxy.cut();
    for tokens in [&alive, &ended] {
        app.refresh(&tokens.refresh).await.assert_problem(503, "unavailable");
    }
    assert_eq!(app.get("/auth/verify", Some(&alive.access)).await.status, 200);
    // Sessions with an entry continue.
    app.refreshed(&other.refresh).await;
    // The end may be one that this replica does not know.
    strict.get("/auth/verify", Some(&alive.access)).await.assert_problem(503, "unavailable");
    app.get("/auth/verify", Some(&ended.access)).await.assert_problem(401, "token_not_valid");

    proxy.restore();
    wait_until("the session is refreshed", async || {
        app.refresh(&alive.refresh).await.status == 200
    })
    .await;
    app.assert_refused(&ended).await;
}

#[actix_web::test]
async fn rotations_during_an_outage_of_the_database_are_written_afterwards() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1"]).await;
    let mut tokens = app.new_user("ada").await;
    proxy.cut();
    // Longer than a batch waits.
    app.wait_for_status("/readyz", 503).await;
    for _ in 0..3 {
        tokens = app.refreshed(&tokens.refresh).await;
    }
    proxy.restore();
    app.wait_for_generation(3).await;
}
