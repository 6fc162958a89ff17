//! `auth-service doctor`: what it finds, what it advises, and that it touches nothing.

use std::process::Command;

use crate::support::TestApp;
use test_support::{PostgresServer, RedisServer, TempDir, TestDatabase, clock_ahead, redis_url, temp_dir};

/// What it prints, and its exit code.
struct Report {
    text: String,
    code: Option<i32>,
}

impl Report {
    /// Asserts that something is as it should be.
    #[track_caller]
    fn assert_fine(&self, what: &str, is: &str) -> &Self {
        self.assert_line(&format!("{:7} {what:9} ", "ok"), is)
    }

    /// Asserts that something is wrong, and that it says how to mend it.
    #[track_caller]
    fn assert_wrong(&self, what: &str, is: &str, remedy: &str) {
        self.assert_line(&format!("{:7} {what:9} ", "wrong"), is);
        assert!(self.text.contains(remedy), "{}", self.text);
        assert_eq!(self.code, Some(1), "{}", self.text);
    }

    #[track_caller]
    fn assert_line(&self, start: &str, is: &str) -> &Self {
        let is_there = self.text.lines().any(|line| line.starts_with(start) && line.contains(is));
        assert!(is_there, "{start}{is} is not in:\n{}", self.text);
        self
    }
}

fn doctor(data: &TempDir, args: &[&str], env: &[(&str, String)]) -> Report {
    let output = Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .env_clear()
        .env("BCRYPT_COST", "10")
        .envs(env.iter().map(|(name, value)| (name, value)))
        .args(["doctor", "--data-dir", data.path().to_str().unwrap()])
        .args(args)
        .output()
        .unwrap();
    let text = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    Report { text, code: output.status.code() }
}

#[test]
fn before_the_first_start_all_is_well_and_nothing_is_made() {
    let folder = temp_dir();
    let report = doctor(&folder, &[], &[]);
    report
        .assert_fine("secret", "made at the first start")
        .assert_fine("database", "made at the first start");
    assert_eq!(report.code, Some(0), "{}", report.text);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[actix_web::test]
async fn a_service_that_runs_is_well_on_either_store() {
    for app in [TestApp::embedded().await, TestApp::deployed().await] {
        let deployed = app.database.as_ref().map(TestDatabase::url);
        let redis = redis_url();
        let prefix = &app.settings.redis_key_prefix;
        let stores = deployed
            .as_ref()
            .map(|url| vec!["--database-url", url, "--redis-url", &redis, "--redis-key-prefix", prefix]);
        let mut args = stores.clone().unwrap_or_default();
        args.extend(["--issuer", &app.issuer]);
        let report = doctor(&app.folder, &args, &[]);
        report
            .assert_fine("settings", &app.issuer)
            .assert_fine("secret", "(mode 600)")
            .assert_fine("issuer", "names itself so")
            .assert_fine("hashing", "cost 10")
            .assert_fine("keys", "(EdDSA) signs since 0 days");
        if stores.is_some() {
            report
                .assert_fine("database", "PostgreSQL")
                .assert_fine("redis", "Redis")
                .assert_fine("clocks", "the database's clock agrees")
                .assert_fine("clocks", "Redis' clock agrees");
        } else {
            report.assert_fine("database", "SQLite").assert_fine("blacklist", "embedded");
        }
        assert_eq!(report.code, Some(0), "{}", report.text);
    }
}

#[test]
fn a_hash_is_really_computed_and_takes_longer_the_more_it_costs() {
    let milliseconds = |cost: &str| {
        let report = doctor(&temp_dir(), &[cost], &[]);
        let (_, rest) = report.text.split_once(" takes ").expect("a time");
        rest.split_once(" ms").expect("a time").0.parse::<u64>().expect("a number")
    };
    // Sixteen times the work.
    assert!(milliseconds("--bcrypt-cost=14") > 2 * milliseconds("--bcrypt-cost=10"));
}

#[test]
fn a_schema_that_is_not_there_is_told_and_left_alone() {
    let (folder, database) = (temp_dir(), TestDatabase::create());
    let (url, redis) = (database.url(), redis_url());
    let args = ["--database-url", &url, "--redis-url", &redis];
    for _ in 0..2 {
        let report = doctor(&folder, &args, &[]);
        report.assert_line("advice  schema", "7 migrations are not applied");
        assert!(report.text.contains("auth-service migrate"), "{}", report.text);
    }
}

#[test]
fn a_database_out_of_reach_is_named_with_the_reason_and_without_the_password() {
    let redis = redis_url();
    let args = ["--database-url", "postgres://u:hunter2@127.0.0.1:1/d", "--redis-url", &redis];
    let report = doctor(&temp_dir(), &args, &[]);
    report.assert_wrong("database", "Connection refused", "Check DATABASE_URL");
    assert!(!report.text.contains("hunter2"), "{}", report.text);
}

#[test]
fn a_replica_of_the_database_is_no_place_to_write() {
    let primary = PostgresServer::start();
    let (replica, redis) = (primary.replica(), redis_url());
    let report = doctor(&temp_dir(), &["--database-url", &replica.url(), "--redis-url", &redis], &[]);
    report.assert_wrong("database", "it can only be read", "target_session_attrs=read-write");
}

#[test]
fn a_redis_that_may_drop_revocations_or_is_a_replica_is_wrong() {
    let redis = RedisServer::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let replica = RedisServer::start_with(&["--replicaof", &format!("127.0.0.1 {}", redis.port())]);
    let database = TestDatabase::create();
    let url = database.url();
    let report = doctor(&temp_dir(), &["--database-url", &url, "--redis-url", &redis.url()], &[]);
    report.assert_wrong("redis", "maxmemory-policy is allkeys-lru", "CONFIG SET maxmemory-policy noeviction");
    report.assert_line("advice  redis", "keeps no append-only file");
    let report = doctor(&temp_dir(), &["--database-url", &url, "--redis-url", &replica.url()], &[]);
    report.assert_wrong("redis", "it is a replica", "redis-sentinel://");
}

#[test]
fn a_redis_out_of_reach_is_named() {
    let database = TestDatabase::create();
    let args = ["--database-url", &database.url(), "--redis-url", "redis://:hunter2@127.0.0.1:1/"];
    let report = doctor(&temp_dir(), &args, &[]);
    report.assert_wrong("redis", "connection refused", "Check REDIS_URL");
    assert!(!report.text.contains("hunter2"), "{}", report.text);
}

#[actix_web::test]
async fn keys_that_another_secret_sealed_are_wrong() {
    let app = TestApp::embedded().await;
    let another = app.folder.path().join("another.key");
    std::fs::write(&another, "another-secret-of-more-than-32-bytes").unwrap();
    let report = doctor(&app.folder, &["--secret-key-file", another.to_str().unwrap()], &[]);
    report.assert_wrong("keys", "1 of 1 keys were sealed with another secret", "SECRET_KEY_FILE");
    report.assert_line("advice  secret", "can be read by everybody");
}

#[test]
fn a_missing_secret_is_wrong() {
    let report = doctor(&temp_dir(), &["--secret-key-file", "/nowhere/secret.key"], &[]);
    report.assert_wrong("secret", "/nowhere/secret.key", "generate-secret");
}

#[test]
fn clocks_that_are_apart_are_wrong() {
    let (database, redis) = (TestDatabase::create(), redis_url());
    let args = ["--database-url", &database.url(), "--redis-url", &redis];
    let report = doctor(&temp_dir(), &args, &clock_ahead(30));
    report.assert_wrong("clocks", "s behind this machine's, more than LEEWAY", "NTP");
    report.assert_line("wrong   clocks    Redis'", "s behind this machine's");
}

#[actix_web::test]
async fn an_issuer_that_is_another_is_wrong() {
    let app = TestApp::embedded().await;
    let by_another_name = format!("http://localhost:{}", app.addr.port());
    let report = doctor(&app.folder, &["--issuer", &by_another_name], &[]);
    report.assert_wrong("issuer", &format!("calls itself {}", app.issuer), "Set ISSUER");
}

#[test]
fn settings_that_contradict_each_other_are_wrong() {
    let report = doctor(&temp_dir(), &["--session-lifetime=86400"], &[]);
    report.assert_wrong("settings", "REFRESH_TOKEN_LIFETIME is longer than SESSION_LIFETIME", "--help");
}
