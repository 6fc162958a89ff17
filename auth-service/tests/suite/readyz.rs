//! `/readyz` for operators: which part is not ready, and why, without secrets.

use crate::support::{TestApp, on_both_stores};
use futures_util::future::join_all;
use rstest_reuse::apply;
use serde_json::{Value, json};
use test_support::{
    Client, PostgresServer, Process, RedisServer, TestDatabase, redis_url, temp_dir, unique,
    wait_until,
};

/// Waits until a part is unavailable for this reason, and returns all reasons.
#[track_caller]
fn wait_for_reason<'a>(
    app: &'a Client,
    part: &'a str,
    expected: &'a str,
) -> impl Future<Output = Value> + 'a {
    wait_until(format!("the reason of {part} is {expected}"), async move || {
        let answer = app.get("/readyz", None).await;
        if answer.json["reasons"][part] != expected {
            return Err(format!("{answer:?}"));
        }
        assert_eq!((answer.status, &answer.json[part]), (503, &json!("unavailable")));
        Ok(answer.json["reasons"].clone())
    })
}

#[apply(on_both_stores)]
async fn ready_service_gives_no_reasons(app: TestApp) {
    let answer = app.wait_for_status("/readyz", 200).await;
    let parts = ["service", "keys", "database", "blacklist", "revocations", "clock"];
    let all = Value::from_iter(parts.map(|part| (part, "ok")));
    assert_eq!((answer.status, answer.json), (200, all));
}

#[actix_web::test]
async fn unreachable_stores_and_parts_that_wait_for_them_have_separate_reasons() {
    let closed_port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let database = TestDatabase::create();
    let url = format!("postgres://auth:very-secret@{closed_port}/auth");
    let redis = format!("redis://:very-secret@{closed_port}/");
    let app =
        TestApp::deployed_on(&["--database-url", &url, "--redis-url", &redis], database).await;
    wait_for_reason(&app, "blacklist", "connection refused").await;
    let reasons = wait_for_reason(&app, "database", "connection refused").await;
    let expected = json!({
        "database": "connection refused",
        "blacklist": "connection refused",
        "keys": "no key to sign with yet",
        "revocations": "past revocations are not loaded yet",
        "clock": "not compared with the database's clock yet",
    });
    assert_eq!(reasons, expected);
}

#[actix_web::test]
async fn reason_names_the_failure_of_redis() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    redis.stop();
    let reasons = wait_for_reason(&app, "blacklist", "connection refused").await;
    assert_eq!(reasons, json!({"blacklist": "connection refused"}), "every other part is ready");
    redis.restart();
    app.wait_for_status("/readyz", 200).await;
    redis.pause();
    wait_for_reason(&app, "blacklist", "no answer within 1 s").await;
    redis.unpause();
    app.wait_for_status("/readyz", 200).await;
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
    wait_for_reason(&app, "blacklist", "Redis answered READONLY").await;
    redis.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    app.wait_for_status("/readyz", 200).await;
    redis.command(&["ACL", "SETUSER", "default", "-@all"]).unwrap();
    wait_for_reason(&app, "blacklist", "Redis answered NOPERM").await;
}

#[actix_web::test]
async fn documented_redis_permissions_are_sufficient() {
    let manual = include_str!("../../../docs/operations.md");
    let given = manual.lines().find_map(|line| line.trim().strip_prefix("redis-cli ")).unwrap();
    let words: Vec<&str> = given.split(' ').map(|word| word.trim_matches('\'')).collect();
    let server = RedisServer::start();
    server.command(&words).unwrap();
    let database = TestDatabase::create();
    let redis_url = server.url().replace("//", "//auth:password@");
    let url = database.url();
    let args = ["--database-url", &url, "--redis-url", &redis_url];
    let app = TestApp::deployed_on(&args, database).await.ready().await;
    let tokens = app.new_user("ada").await;
    let tokens = app.refreshed(&tokens.refresh).await;
    assert_eq!(app.logout(&tokens).await.status, 204);
    app.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
    let denied = server.command(&["ACL", "LOG"]).unwrap();
    assert_eq!(denied, redis::Value::Array(Vec::new()), "Redis has denied a command");
}

#[actix_web::test]
async fn hanging_and_unreachable_database_have_separate_reasons() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1"]).await;
    proxy.blackhole_open();
    let reasons = wait_for_reason(&app, "database", "no answer within 1 s").await;
    assert_eq!(reasons["blacklist"], json!(null), "session state is complete");
    proxy.restore();
    app.wait_for_status("/readyz", 200).await;
    proxy.blackhole_all();
    wait_for_reason(&app, "database", "no connection within 1 s").await;
}

#[actix_web::test]
async fn reason_names_the_failure_of_the_database() {
    let server = PostgresServer::start();
    let redis = RedisServer::start();
    let url = server.url();
    let redis_url = redis.url();
    let args = ["--database-url", &url, "--redis-url", &redis_url, "--database-timeout=1"];
    let app = TestApp::deployed_on(&args, TestDatabase::create()).await.ready().await;
    server.stop();
    wait_for_reason(&app, "database", "connection refused").await;
    server.restart();
    app.wait_for_status("/readyz", 200).await;

    for (url, reason) in [
        (format!("{}/nowhere", url.rsplit_once('/').unwrap().0), "the database does not exist"),
        (
            url.replace("//postgres@", "//closed_port:very-secret@"),
            "the server refuses the credentials",
        ),
        (url.replace("127.0.0.1", "nowhere.invalid"), "unknown host"),
    ] {
        let replica = app.replica_with(|settings| {
            settings.database.url = Some(auth_service::config::SecretUrl::new(url));
        });
        wait_for_reason(&replica.await, "database", reason).await;
    }
}

#[actix_web::test]
async fn reason_names_a_migration_by_another_process() {
    let database = TestDatabase::create();
    let data = temp_dir();
    let url = database.url();
    let held = test_support::hold_migration_lock(&url);
    let env = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", &redis_url()),
        ("REDIS_KEY_PREFIX", &unique("test:")),
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("ISSUER", "http://auth.example.com"),
    ];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let app = Client::new(process.addr(0));
    let reasons = wait_for_reason(&app, "database", "the schema is being migrated").await;
    assert_eq!(reasons["keys"], "no key to sign with yet");
    drop(held);
    app.wait_for_status("/readyz", 200).await;
}

/// A proxy that finds replicas by name may send requests to a replica that has just started.
#[actix_web::test]
async fn early_request_waits_until_the_replica_is_ready() {
    let database = TestDatabase::create();
    let data = temp_dir();
    let url = database.url();
    let prefix = unique("test:");
    let env = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", &redis_url()),
        ("REDIS_KEY_PREFIX", &prefix),
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("ISSUER", "http://auth.example.com"),
    ];
    let start = || Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    // The first replica creates the schema and the key.
    let first = start();
    Client::new(first.addr(0)).wait_for_status("/readyz", 200).await;
    for _ in 0..3 {
        let next = start();
        let answer = Client::new(next.addr(0)).get("/readyz", None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[actix_web::test]
async fn reason_says_that_session_state_waits_for_the_database() {
    let redis = RedisServer::start();
    // A rebuild may take longer than a request waits for it.
    let args = ["--database-timeout=2", "--redis-timeout=1"];
    let (app, proxy) = TestApp::with_proxy_and_redis(&redis, &args).await;
    proxy.cut();
    redis.wipe();
    let reason = "waiting for the database, which does not answer";
    let reasons = wait_for_reason(&app, "blacklist", reason).await;
    assert_eq!(reasons["database"], "connection lost");
    // One request starts a rebuild, and the others wait for its result.
    for answer in join_all((0..8).map(|_| app.get("/readyz", None))).await {
        assert_eq!(answer.json["reasons"]["blacklist"], reason);
    }
}

#[actix_web::test]
async fn reason_names_the_seconds_without_revocations() {
    let mut redis = RedisServer::start();
    let (app, proxy) = TestApp::with_proxy_and_redis(&redis, &["--database-timeout=1"]).await;
    redis.stop();
    proxy.cut();
    let answer = app.wait_for_fields("/readyz", &[("revocations", "unavailable")]).await;
    let reason = answer.json["reasons"]["revocations"].as_str().unwrap().to_owned();
    let seconds = reason
        .strip_prefix("no answer from Redis or the database for ")
        .and_then(|rest| rest.strip_suffix(" s")?.parse::<u64>().ok());
    assert!(seconds.is_some_and(|seconds| (6..30).contains(&seconds)), "{reason}");
}
