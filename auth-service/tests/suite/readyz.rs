//! What `/readyz` says to whoever is called out: what is not well, and why, in words that give nothing away.

use std::time::{Duration, Instant};

use crate::support::TestApp;
use futures_util::future::join_all;
use serde_json::json;
use test_support::{Client, PostgresServer, Process, RedisServer, TestDatabase, redis_url, temp_dir};

/// The reasons, once this is what one of them is.
#[track_caller]
fn until_reason<'a>(
    app: &'a Client,
    what: &'a str,
    expected: &'a str,
) -> impl Future<Output = serde_json::Value> + 'a {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let answer = app.get("/readyz", None).await;
            if answer.json["reasons"][what] == expected {
                assert_eq!((answer.status, &answer.json[what]), (503, &json!("unavailable")));
                return answer.json["reasons"].clone();
            }
            assert!(Instant::now() < deadline, "{caller}: {what} is not {expected}: {answer:?}");
        }
    }
}

on_both! {
    async fn where_all_is_well_there_are_no_reasons(app: TestApp) {
        let answer = app.get("/readyz", None).await;
        let all = json!({"service": "ok", "keys": "ok", "database": "ok", "blacklist": "ok", "revocations": "ok"});
        assert_eq!((answer.status, answer.json), (200, all));
    }
}

#[actix_web::test]
async fn a_database_and_a_redis_that_are_not_there_are_told_from_what_only_waits_for_them() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let database = TestDatabase::create();
    let url = format!("postgres://auth:very-secret@{nobody}/auth");
    let redis = format!("redis://:very-secret@{nobody}/");
    let app = TestApp::deployed_on(&["--database-url", &url, "--redis-url", &redis], database).await;
    until_reason(&app, "blacklist", "connection refused").await;
    let reasons = until_reason(&app, "database", "connection refused").await;
    let expected = json!({
        "database": "connection refused",
        "blacklist": "connection refused",
        "keys": "no key to sign with yet",
        "revocations": "past revocations are not loaded yet",
    });
    assert_eq!(reasons, expected);
}

#[actix_web::test]
async fn a_redis_that_stops_hangs_or_takes_no_writes_is_said_to() {
    let mut redis = RedisServer::start();
    let app = TestApp::with_redis(&redis, &[]).await;
    redis.stop();
    let reasons = until_reason(&app, "blacklist", "connection refused").await;
    assert_eq!(reasons, json!({"blacklist": "connection refused"}), "nothing else is wrong");
    redis.restart();
    app.wait_for_status("/readyz", 200).await;
    redis.pause();
    until_reason(&app, "blacklist", "no answer within 1 s").await;
    redis.unpause();
    app.wait_for_status("/readyz", 200).await;
    redis.command(&["REPLICAOF", "127.0.0.1", "1"]).unwrap();
    until_reason(&app, "blacklist", "Redis answered READONLY").await;
    redis.command(&["REPLICAOF", "NO", "ONE"]).unwrap();
    app.wait_for_status("/readyz", 200).await;
    redis.command(&["ACL", "SETUSER", "default", "-@all"]).unwrap();
    until_reason(&app, "blacklist", "Redis answered NOPERM").await;
}

#[actix_web::test]
async fn the_rights_that_the_manual_gives_redis_user_will_do() {
    let manual = include_str!("../../../docs/operations.md");
    let given = manual.lines().find_map(|line| line.trim().strip_prefix("redis-cli ")).unwrap();
    let words: Vec<&str> = given.split(' ').map(|word| word.trim_matches('\'')).collect();
    let server = RedisServer::start();
    server.command(&words).unwrap();
    let (database, redis_url) = (TestDatabase::create(), server.url().replace("//", "//auth:password@"));
    let url = database.url();
    let args = ["--database-url", &url, "--redis-url", &redis_url];
    let app = TestApp::deployed_on(&args, database).await.ready().await;
    let tokens = app.new_user("ada").await;
    let tokens = app.refreshed(&tokens.refresh).await;
    assert_eq!(app.logout(&tokens).await.status, 204);
    app.refresh(&tokens.refresh).await.assert_problem(401, "token_not_valid");
    let denied = server.command(&["ACL", "LOG"]).unwrap();
    assert_eq!(denied, redis::Value::Array(Vec::new()), "nothing was asked for in vain");
}

#[actix_web::test]
async fn a_database_that_hangs_is_told_from_one_that_is_not_reached() {
    let (app, proxy) = TestApp::with_proxy(&["--database-timeout=1"]).await;
    proxy.blackhole_open();
    let reasons = until_reason(&app, "database", "no answer within 1 s").await;
    assert_eq!(reasons["blacklist"], json!(null), "it is in sync already");
    proxy.restore();
    app.wait_for_status("/readyz", 200).await;
    proxy.blackhole_all();
    until_reason(&app, "database", "no connection within 1 s").await;
}

#[actix_web::test]
async fn a_database_that_stops_is_told_from_one_that_refuses_us() {
    let (server, redis) = (PostgresServer::start(), RedisServer::start());
    let (url, redis_url) = (server.url(), redis.url());
    let args = ["--database-url", &url, "--redis-url", &redis_url, "--database-timeout=1"];
    let app = TestApp::deployed_on(&args, TestDatabase::create()).await.ready().await;
    server.stop();
    until_reason(&app, "database", "connection refused").await;
    server.restart();
    app.wait_for_status("/readyz", 200).await;

    for (url, reason) in [
        (format!("{}/nowhere", url.rsplit_once('/').unwrap().0), "there is no such database"),
        (url.replace("//postgres@", "//nobody:very-secret@"), "it refuses the credentials"),
        (url.replace("127.0.0.1", "nowhere.invalid"), "its host is not known"),
    ] {
        let stranger = app.replica_with(|settings| {
            settings.database_url = Some(auth_service::config::SecretUrl::new(url));
        });
        until_reason(&stranger.await, "database", reason).await;
    }
}

#[actix_web::test]
async fn while_another_process_migrates_the_schema_that_is_the_reason() {
    let (database, data) = (TestDatabase::create(), temp_dir());
    let url = database.url();
    let held = test_support::hold_migration_lock(&url);
    let env = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", &redis_url()),
        ("REDIS_KEY_PREFIX", &test_support::unique("test:")),
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("ISSUER", "http://auth.example.com"),
    ];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let app = Client::new(process.addr(0));
    let reasons = until_reason(&app, "database", "the schema is being migrated").await;
    assert_eq!(reasons["keys"], "no key to sign with yet");
    drop(held);
    app.wait_for_status("/readyz", 200).await;
}

/// A proxy that finds replicas by a name sends requests to one that has only begun.
#[actix_web::test]
async fn whoever_comes_as_soon_as_a_replica_listens_waits_until_it_is_ready() {
    let (database, data) = (TestDatabase::create(), temp_dir());
    let (url, prefix) = (database.url(), test_support::unique("test:"));
    let env = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", &redis_url()),
        ("REDIS_KEY_PREFIX", &prefix),
        ("DATA_DIR", data.path().to_str().unwrap()),
        ("ISSUER", "http://auth.example.com"),
    ];
    let start = || Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    // Makes the schema and the key.
    let first = start();
    Client::new(first.addr(0)).wait_for_status("/readyz", 200).await;
    for _ in 0..3 {
        let next = start();
        let answer = Client::new(next.addr(0)).get("/readyz", None).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[actix_web::test]
async fn a_blacklist_that_waits_for_the_database_says_so() {
    let redis = RedisServer::start();
    // To bring it up to date may be tried for longer than a request waits for that.
    let args = ["--database-timeout=2", "--redis-timeout=1"];
    let (app, proxy) = TestApp::with_proxy_and_redis(&redis, &args).await;
    proxy.cut();
    redis.wipe();
    let reason = "waits for the database, which does not answer";
    let reasons = until_reason(&app, "blacklist", reason).await;
    assert_eq!(reasons["database"], "the connection was lost");
    // One tries at a time, and the others wait for that.
    for answer in join_all((0..8).map(|_| app.get("/readyz", None))).await {
        assert_eq!(answer.json["reasons"]["blacklist"], reason);
    }
}

#[actix_web::test]
async fn a_replica_that_hears_nothing_of_what_ends_says_for_how_long() {
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
