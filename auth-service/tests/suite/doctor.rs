//! `auth-service doctor`: its findings and its advice. The command changes nothing.

use std::{os::unix::fs::PermissionsExt, process::Command};

use crate::support::{TestApp, keys::new_secret};
use test_support::{
    PostgresServer, RedisServer, TempDir, TestDatabase, clock_ahead, redis_url, sql, temp_dir,
    unique, write_private,
};

/// Output and exit code of the command.
struct Report {
    text: String,
    code: Option<i32>,
}

impl Report {
    /// Asserts that the report calls a part ok.
    #[track_caller]
    fn assert_ok(&self, part: &str, finding: &str) -> &Self {
        self.assert_line(&format!("{:7} {part:9} ", "ok"), finding)
    }

    /// Asserts that the report calls a part wrong, and names a remedy.
    #[track_caller]
    fn assert_wrong(&self, part: &str, finding: &str, remedy: &str) {
        self.assert_line(&format!("{:7} {part:9} ", "wrong"), finding);
        assert!(self.text.contains(remedy), "{}", self.text);
        assert_eq!(self.code, Some(1), "{}", self.text);
    }

    #[track_caller]
    fn assert_line(&self, start: &str, finding: &str) -> &Self {
        let is_found =
            self.text.lines().any(|line| line.starts_with(start) && line.contains(finding));
        assert!(is_found, "{start}{finding} is not in:\n{}", self.text);
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
fn report_before_the_first_start_is_ok_and_creates_no_files() {
    let folder = temp_dir();
    let report = doctor(&folder, &[], &[]);
    report
        .assert_ok("secret", "the first start creates it")
        .assert_ok("database", "the first start creates it");
    assert_eq!(report.code, Some(0), "{}", report.text);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn limit_of_open_files_below_max_connections_gets_advice() {
    let folder = temp_dir();
    let script = format!(
        "ulimit -n 300; exec {} doctor --data-dir {}",
        env!("CARGO_BIN_EXE_auth-service"),
        folder.path().display()
    );
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let advice = "advice  limits    MAX_CONNECTIONS is 20000, and the process may open only 300 \
                  files: further connections wait";
    assert!(text.contains(advice), "{text}");
}

#[actix_web::test]
async fn running_service_is_ok_on_both_stores() {
    for app in [TestApp::embedded().await, TestApp::deployed().await] {
        let deployed = app.database.as_ref().map(TestDatabase::url);
        let redis = redis_url();
        let prefix = &app.settings.redis.key_prefix;
        let stores = deployed.as_ref().map(|url| {
            vec!["--database-url", url, "--redis-url", &redis, "--redis-key-prefix", prefix]
        });
        let mut args = stores.clone().unwrap_or_default();
        args.extend(["--issuer", &app.issuer]);
        let report = doctor(&app.folder, &args, &[]);
        report
            .assert_ok("settings", &app.issuer)
            .assert_ok("secret", "(mode 600)")
            .assert_ok("issuer", "answers with this issuer")
            .assert_ok("hashing", "cost 10")
            .assert_ok("keys", "(ES256) has signed for 0 days");
        if stores.is_some() {
            report
                .assert_ok("database", "PostgreSQL")
                .assert_ok("redis", "Redis")
                .assert_ok("clocks", "the database's clock agrees")
                .assert_ok("clocks", "Redis' clock agrees");
        } else {
            report.assert_ok("database", "SQLite").assert_ok("blacklist", "embedded");
        }
        assert_eq!(report.code, Some(0), "{}", report.text);
    }
}

#[test]
fn hash_time_grows_with_the_cost() {
    let milliseconds = |cost: &str| {
        let report = doctor(&temp_dir(), &[cost], &[]);
        let (_, rest) = report.text.split_once(" takes ").expect("a time");
        rest.split_once(" ms").expect("a time").0.parse::<u64>().expect("a number")
    };
    // Cost 14 is sixteen times the work of cost 10.
    assert!(milliseconds("--bcrypt-cost=14") > 2 * milliseconds("--bcrypt-cost=10"));
}

#[test]
fn missing_schema_is_reported_and_not_created() {
    let folder = temp_dir();
    let database = TestDatabase::create();
    let url = database.url();
    let redis = redis_url();
    let args = ["--database-url", &url, "--redis-url", &redis];
    let migrations = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/postgres");
    let count = std::fs::read_dir(migrations).unwrap().count();
    for _ in 0..2 {
        let report = doctor(&folder, &args, &[]);
        report.assert_line("advice  schema", &format!("{count} migrations are not applied"));
        assert!(report.text.contains("auth-service migrate"), "{}", report.text);
    }
}

#[test]
fn unreachable_database_is_reported_without_the_password() {
    let redis = redis_url();
    let args = ["--database-url", "postgres://u:hunter2@127.0.0.1:1/d", "--redis-url", &redis];
    let report = doctor(&temp_dir(), &args, &[]);
    report.assert_wrong("database", "Connection refused", "Check DATABASE_URL");
    assert!(!report.text.contains("hunter2"), "{}", report.text);
}

#[test]
fn read_only_database_is_wrong() {
    let primary = PostgresServer::start();
    let replica = primary.replica();
    let redis = redis_url();
    let report =
        doctor(&temp_dir(), &["--database-url", &replica.url(), "--redis-url", &redis], &[]);
    report.assert_wrong(
        "database",
        "the server accepts no writes",
        "target_session_attrs=read-write",
    );
}

#[test]
fn redis_that_evicts_keys_or_is_a_replica_is_wrong() {
    let redis =
        RedisServer::start_with(&["--maxmemory", "100mb", "--maxmemory-policy", "allkeys-lru"]);
    let replica = RedisServer::start_with(&["--replicaof", &format!("127.0.0.1 {}", redis.port())]);
    let database = TestDatabase::create();
    let url = database.url();
    let report = doctor(&temp_dir(), &["--database-url", &url, "--redis-url", &redis.url()], &[]);
    report.assert_wrong(
        "redis",
        "maxmemory-policy is allkeys-lru",
        "CONFIG SET maxmemory-policy noeviction",
    );
    report.assert_line("advice  redis", "keeps no append-only file");
    let report = doctor(&temp_dir(), &["--database-url", &url, "--redis-url", &replica.url()], &[]);
    report.assert_wrong("redis", "the server is a replica", "redis-sentinel://");
}

#[test]
fn unreachable_redis_is_reported_without_the_password() {
    let database = TestDatabase::create();
    let args = ["--database-url", &database.url(), "--redis-url", "redis://:hunter2@127.0.0.1:1/"];
    let report = doctor(&temp_dir(), &args, &[]);
    report.assert_wrong("redis", "connection refused", "Check REDIS_URL");
    assert!(!report.text.contains("hunter2"), "{}", report.text);
}

#[actix_web::test]
async fn keys_sealed_with_another_secret_are_wrong() {
    let app = TestApp::embedded().await;
    let another = app.folder.path().join("another.key");
    write_private(&another, &new_secret());
    let report = doctor(&app.folder, &["--secret-key-file", another.to_str().unwrap()], &[]);
    report.assert_wrong("keys", "1 of 1 keys were sealed with another secret", "SECRET_KEY_FILE");
}

#[test]
fn missing_secret_is_wrong() {
    let report = doctor(&temp_dir(), &["--secret-key-file", "/nowhere/secret.key"], &[]);
    report.assert_wrong("secret", "/nowhere/secret.key", "generate-secret");
}

#[test]
fn clock_difference_beyond_the_leeway_is_wrong() {
    let database = TestDatabase::create();
    let redis = redis_url();
    let args = ["--database-url", &database.url(), "--redis-url", &redis];
    let report = doctor(&temp_dir(), &args, &clock_ahead(30));
    report.assert_wrong("clocks", "s behind this machine's, more than LEEWAY", "NTP");
    report.assert_line("wrong   clocks    Redis'", "s behind this machine's");
}

#[actix_web::test]
async fn different_issuer_is_wrong() {
    let app = TestApp::embedded().await;
    let other_issuer = format!("http://localhost:{}", app.addr.port());
    let report = doctor(&app.folder, &["--issuer", &other_issuer], &[]);
    report.assert_wrong("issuer", &format!("answers with the issuer {}", app.issuer), "Set ISSUER");
}

#[test]
fn contradictory_settings_are_wrong() {
    let report = doctor(&temp_dir(), &["--session-lifetime=86400"], &[]);
    report.assert_wrong(
        "settings",
        "REFRESH_TOKEN_LIFETIME is longer than SESSION_LIFETIME",
        "--help",
    );
}

#[test]
fn role_that_may_not_create_tables_is_wrong() {
    let database = TestDatabase::create();
    let role = unique("role_");
    let url = database.url();
    sql(&url, &format!("CREATE ROLE {role} LOGIN"));
    let redis = redis_url();
    let args = ["--database-url", &url.replace("postgres@", &format!("{role}@")), "--redis-url"];
    let args = [&args[..], &[&redis]].concat();
    let report = doctor(&temp_dir(), &args, &[]);
    let state = format!("the role {role} may not create tables in the schema public");
    report.assert_wrong("rights", &state, "GRANT CREATE ON SCHEMA \"public\"");
    sql(&url, &format!("GRANT CREATE ON SCHEMA public TO {role}"));
    let report = doctor(&temp_dir(), &args, &[]);
    assert!(!report.text.contains("rights"), "{}", report.text);
    sql(&url, &format!("DROP OWNED BY {role}"));
    sql(&url, &format!("DROP ROLE {role}"));
}

#[actix_web::test]
async fn files_that_other_users_can_read_are_named() {
    let app = TestApp::embedded().await;
    std::fs::set_permissions(app.folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    let report = doctor(&app.folder, &[], &[]);
    assert!(!report.text.contains("advice  files"), "{}", report.text);
    let file = app.folder.path().join("auth.sqlite3");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let report = doctor(&app.folder, &[], &[]);
    report.assert_line("advice  files", &format!("{} (DATA_DIR, mode 644)", file.display()));
    assert!(report.text.contains("chmod 600"), "{}", report.text);
}

#[actix_web::test]
async fn secret_files_with_which_the_service_does_not_start_are_wrong() {
    let folder = temp_dir();
    let file = folder.path().join("secret.key");
    let text = file.to_str().unwrap();
    write_private(&file, &new_secret());
    doctor(&folder, &[], &[]).assert_ok("secret", "(mode 600)");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let report = doctor(&folder, &[], &[]);
    let fault = format!("{text} (SECRET_KEY_FILE) is open to all users of this machine (mode 644)");
    report.assert_wrong("files", &fault, &format!("run `chmod 640 {text}`"));
    let url = folder.path().join("url");
    std::fs::write(&url, "smtp://user:hunter2@127.0.0.1:1\n").unwrap();
    let mail = ["--mail-url-file", url.to_str().unwrap(), "--mail-from=a@example.com"];
    let report = doctor(&folder, &mail, &[]);
    report.assert_wrong("files", "(MAIL_URL_FILE) is open to all users", "chmod 640");
    assert!(!report.text.contains("hunter2"), "{}", report.text);

    write_private(&file, &"change-me-".repeat(4));
    let report = doctor(&folder, &[], &[]);
    report.assert_wrong("secret", "contains a secret that repeats a short text", "rotate-keys.md");
    write_private(&file, &(new_secret() + &"change-me-".repeat(4)));
    let report = doctor(&folder, &[], &[]);
    report.assert_line("advice  secret", "contains an earlier secret that repeats a short text");
    assert!(report.text.contains("Delete its line"), "{}", report.text);
}
