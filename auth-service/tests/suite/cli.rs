//! The command line: start-up errors, the secret, help, and output without secrets.

use std::{
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use test_support::{Client, Process, RedisServer, TestDatabase, temp_dir};

fn auth_service(args: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .env_clear()
        .args(args)
        .envs(env.iter().copied())
        .output()
        .unwrap()
}

/// Asserts that a command ended with code 1 and one error line, and returns the line.
#[track_caller]
fn error_line(output: Output) -> String {
    line_of(output, 1)
}

/// Asserts that a command ended with code 2, because its options or settings are wrong, and one
/// error line. Returns the line.
#[track_caller]
fn usage_line(output: Output) -> String {
    line_of(output, 2)
}

#[track_caller]
fn line_of(output: Output, code: i32) -> String {
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{errors}");
    let lines: Vec<&str> = errors.lines().filter(|line| line.starts_with("error:")).collect();
    let [line] = lines[..] else { panic!("{errors}") };
    assert!(!errors.contains("panicked"), "{errors}");
    line.to_owned()
}

#[test]
fn invalid_setting_is_named_in_one_line() {
    for (env, expected) in [
        (("BCRYPT_COST", "9"), "BCRYPT_COST"),
        (("BCRYPT_COST", "16"), "BCRYPT_COST"),
        (("ACCESS_TOKEN_LIFETIME", "0"), "ACCESS_TOKEN_LIFETIME"),
        (("ACCESS_TOKEN_LIFETIME", "five"), "ACCESS_TOKEN_LIFETIME"),
        (("ACCESS_TOKEN_LIFETIME", "99999999999999999999"), "ACCESS_TOKEN_LIFETIME"),
        (
            ("ACCESS_TOKEN_LIFETIME", "604801"),
            "ACCESS_TOKEN_LIFETIME is longer than REFRESH_TOKEN_LIFETIME",
        ),
        (("SESSION_LIFETIME", "86400"), "REFRESH_TOKEN_LIFETIME is longer than SESSION_LIFETIME"),
        (("REFRESH_GRACE", "604800"), "REFRESH_GRACE must be shorter"),
        (("AUTH_ADDR", "localhost"), "AUTH_ADDR"),
        (("ISSUER", "auth.example.com"), "ISSUER"),
        (("AUDIENCE", "a,,b"), "AUDIENCE"),
        (("SIGNING_ALGORITHM", "HS256"), "must be EdDSA, ES256 or RS256"),
        (("SIGNING_ALGORITHM", "none"), "must be EdDSA, ES256 or RS256"),
        (("DATABASE_URL", "mysql://localhost/x"), "must start with postgres://"),
        (("REDIS_URL", "localhost"), "must be a URL such as redis://"),
        (("DATABASE_URL", "postgres://localhost/x"), "DATABASE_URL is set but REDIS_URL is not"),
        (("DATABASE_POOL_SIZE", "0"), "DATABASE_POOL_SIZE"),
        (("HASH_QUEUE", "-1"), "HASH_QUEUE"),
        (("HASH_QUEUE", "18446744073709551615"), "HASH_QUEUE"),
        (("HASH_THREADS", "200000"), "HASH_THREADS"),
        (("AUTH_WORKERS", "30000"), "AUTH_WORKERS"),
        (("DATABASE_POOL_SIZE", "4294967295"), "DATABASE_POOL_SIZE"),
        (("LEEWAY", "301"), "must be at most 300 seconds"),
        (("ISSUER", "http:///"), "ISSUER"),
        (("ISSUER", "http://user:pass@auth.example.com"), "ISSUER"),
        (
            ("KEY_ROTATION_INTERVAL", "600"),
            "KEY_ROTATION_INTERVAL must be longer than KEY_PUBLISH_AHEAD",
        ),
        (("AUTH_ADDR", "0.0.0.0:0"), "ISSUER is not set"),
        (("DATABASE_URL_FILE", "/nowhere/url"), "cannot be read"),
        (("DATABASE_URL_FILE", "/proc/version"), "holds a URL that must start with postgres://"),
        (("REDIS_URL_FILE", "/proc/version"), "holds a URL that must be a URL such as redis://"),
        (("REDIS_URL", "redis://a,b/"), "names several hosts"),
        (("REDIS_URL", "redis-sentinel://a,b/"), "must name the master"),
        (("REDIS_URL", "redis-cluster://"), "must be a URL such as redis://"),
        (("REDIS_URL", "redis-of-mine://a/"), "must be a URL such as redis://"),
        (
            ("REDIS_CERT_FILE", "/nowhere/cert.pem"),
            "REDIS_CERT_FILE and REDIS_KEY_FILE must be set together",
        ),
        (("REDIS_URL", "redis://h/?protocol=resp3"), "must not choose a protocol"),
        (("REDIS_URL", "redis://h/?ssl_cert_reqs=none"), "cannot honour: ssl_cert_reqs"),
        (("REDIS_URL", "redis://:p%@h/"), "write % as %25"),
        (("DATABASE_URL", "postgres://h/d?pgbouncer=true"), "does not know: pgbouncer"),
        (("DATABASE_URL", "host=h replication=database"), "cannot honour: replication"),
        (("DATABASE_URL_FILE", "/dev/null"), "must not be empty"),
        (("DATABASE_URL_FILE", "/proc/cpuinfo"), "has more than one line"),
    ] {
        let line = usage_line(auth_service(&[], &[("AUTH_ADDR", "127.0.0.1:0"), env]));
        assert!(line.contains(expected), "{env:?}: {line}");
    }
}

#[test]
fn typing_error_is_answered_with_a_suggestion() {
    let folder = temp_dir();
    let data = folder.path().to_str().unwrap();
    assert!(auth_service(&["migrate"], &[("DATA_DIR", data)]).status.success());
    for (args, expected) in [
        (&["--no-such-option"][..], "unexpected argument '--no-such-option' found"),
        (&["user", "show", "ada"], "similar subcommands exist: 'serve', 'users'"),
        (&["users", "shwo", "ada"], "a similar subcommand exists: 'show'"),
        (&["users", "grant", "ada", "--rol", "editor"], "a similar argument exists: '--role'"),
        (&["keys", "list", "--databse-url", "x"], "a similar argument exists: '--database-url'"),
        (&["users", "grant", "ada"], "name at least one scope or role"),
    ] {
        let line = usage_line(auth_service(args, &[("DATA_DIR", data)]));
        assert!(line.contains(expected), "{args:?}: {line}");
    }
}

#[test]
fn every_command_prints_json() {
    let folder = temp_dir();
    let data = folder.path().to_str().unwrap();
    let secret_file = folder.path().join("client.secret");
    let file = folder.path().join("access.toml");
    std::fs::write(&file, "[[grants]]\nuser = \"ada\"\n").unwrap();
    let commands: [&[&str]; 22] = [
        &["migrate"],
        &["generate-secret"],
        &["doctor", "--issuer", "http://127.0.0.1:1"],
        &["cleanup"],
        &["keys", "generate"],
        &["keys", "rotate"],
        &["keys", "list"],
        &["clients", "create", "job", "--scope", "read"],
        &["clients", "create", "other", "--secret-file", secret_file.to_str().unwrap()],
        &["clients", "create", "other", "--secret-file", secret_file.to_str().unwrap()],
        &["clients", "rotate-secret", "job"],
        &["clients", "list"],
        &["clients", "delete", "job"],
        &["users", "create", "ada", "--email", "ada@example.com"],
        &["users", "show", "ada"],
        &["users", "grant", "ada", "--role", "admin"],
        &["apply", file.to_str().unwrap()],
        &["users", "disable", "ada"],
        &["users", "reset-password", "ada"],
        &["users", "list"],
        &["users", "delete", "ada", "--yes"],
        &["audit"],
    ];
    for args in commands {
        let output = auth_service(&[args, &["--json"]].concat(), &[("DATA_DIR", data)]);
        // The doctor finds no service at the issuer.
        assert!(output.status.success() || args[0] == "doctor", "{args:?}: {output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.is_empty(), "{args:?}");
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert!(value.is_object(), "{args:?}: {line}");
        }
    }
}

#[test]
fn help_of_a_subcommand_lists_its_own_options_only() {
    let help = |args: &[&str]| String::from_utf8(auth_service(args, &[]).stdout).unwrap();
    for args in [&["users", "show", "--help"][..], &["help", "users", "show"], &["audit", "-h"]] {
        let text = help(args);
        assert!(!text.contains("--bcrypt-cost") && !text.contains("[env:"), "{text}");
        assert!(text.contains("--json"), "{text}");
        assert!(text.contains("`auth-service --help` lists them"), "{text}");
        assert!(text.lines().count() < 40, "{text}");
    }
    assert!(help(&["users", "show", "--help"]).contains("Username, email address or id"));
    // Settings are accepted all the same, in any place.
    let folder = temp_dir();
    let data = folder.path().to_str().unwrap();
    let output = auth_service(&["migrate", "--data-dir", data, "--bcrypt-cost", "11"], &[]);
    assert!(output.status.success(), "{output:?}");
    // A command without its subcommand prints its help as an error.
    let output = auth_service(&["users"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("reset-password"));
}

#[test]
fn invalid_url_is_not_printed() {
    for env in [
        ("REDIS_URL", "redis://:hunt#er2%@127.0.0.1:1/"),
        ("REDIS_URL", "rediss-sentinel://:hunter2@127.0.0.1:1/"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d"),
        ("DATABASE_URL", "postgres://u:hunt@er2@h.invalid/d"),
    ] {
        let line = usage_line(auth_service(&[], &[("AUTH_ADDR", "127.0.0.1:0"), env]));
        assert!(line.contains(env.0) && !line.contains("er2"), "{line}");
    }
}

#[test]
fn port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let folder = temp_dir();
    let data = folder.path().join("data");
    let line = error_line(auth_service(
        &[],
        &[("AUTH_ADDR", &addr), ("DATA_DIR", data.to_str().unwrap())],
    ));
    assert!(
        line.contains(&addr) && line.contains("AUTH_ADDR") && line.contains("in use"),
        "{line}"
    );
    assert!(!data.exists(), "the data folder is left behind");
}

#[test]
fn unusable_data_folder_is_named() {
    let folder = temp_dir();
    // Not even root can create a folder inside a file.
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("data");
    let env = [("AUTH_ADDR", "127.0.0.1:0"), ("DATA_DIR", below.to_str().unwrap())];
    let line = error_line(auth_service(&[], &env));
    assert!(line.contains(below.to_str().unwrap()) && line.contains("DATA_DIR"), "{line}");
    // A file that is not a database.
    std::fs::write(
        folder.path().join("auth.sqlite3"),
        "this is not a database, but long enough to be read as one",
    )
    .unwrap();
    let env = [("AUTH_ADDR", "127.0.0.1:0"), ("DATA_DIR", folder.path().to_str().unwrap())];
    let line = error_line(auth_service(&[], &env));
    assert!(line.contains("auth.sqlite3") && line.contains("DATA_DIR"), "{line}");
}

#[test]
fn secret_is_private_created_once_and_validated() {
    let folder = temp_dir();
    let data = folder.path().join("data");
    let env = [("DATA_DIR", data.to_str().unwrap())];
    let generate = || String::from_utf8(auth_service(&["generate-secret"], &env).stdout).unwrap();
    let file = data.join("secret.key");
    assert_eq!(generate(), format!("Generated {}\n", file.display()));
    let secret = std::fs::read_to_string(&file).unwrap();
    assert_eq!(generate(), format!("{} exists already\n", file.display()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), secret);
    assert_eq!(secret.trim().len(), 43);
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&file)), (0o700, 0o600));
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 1, "other files are left behind");

    let error_line_with = |more: &[(&str, &str)]| {
        let mut all = vec![("AUTH_ADDR", "127.0.0.1:0"), env[0]];
        all.extend(more);
        error_line(auth_service(&[], &all))
    };
    for short in ["too-short", "", &format!("{secret}\ntoo-short")] {
        std::fs::write(&file, short).unwrap();
        let line = error_line_with(&[]);
        assert!(
            line.contains("secret.key (SECRET_KEY_FILE) contains a secret of less than 32 bytes"),
            "{line}"
        );
        assert!(!line.contains("too-short"), "{line}");
    }
    for comment in [
        "# a comment that is long enough to be a secret",
        "a secret with spaces that is long enough",
    ] {
        std::fs::write(&file, format!("{secret}\n{comment}\n")).unwrap();
        let line = error_line_with(&[]);
        assert!(
            line.contains("contains a line that is not a secret") && !line.contains("long enough"),
            "{line}"
        );
    }
    std::fs::remove_file(&file).unwrap();
    // The operator creates a file that SECRET_KEY_FILE names.
    let line = error_line_with(&[("SECRET_KEY_FILE", file.to_str().unwrap())]);
    assert!(line.contains("the secret file "), "{line}");
    assert!(line.contains("auth-service generate-secret"), "{line}");
}

#[test]
fn concurrent_processes_create_one_secret() {
    let folder = temp_dir();
    let data = folder.path().to_str().unwrap();
    let created = std::thread::scope(|scope| {
        let make = || auth_service(&["generate-secret"], &[("DATA_DIR", data)]);
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        let outputs = threads.into_iter().map(|thread| thread.join().unwrap());
        outputs.filter(|output| output.stdout.starts_with(b"Generated")).count()
    });
    assert_eq!(created, 1);
}

#[test]
fn help_documents_every_setting_and_subcommand() {
    let help = String::from_utf8(auth_service(&["--help"], &[]).stdout).unwrap();
    for word in [
        "migrate",
        "keys",
        "healthcheck",
        "--auth-addr",
        "[env: AUTH_ADDR=]",
        "[default: 127.0.0.1:8080]",
    ] {
        assert!(help.contains(word), "{word}: {help}");
    }
    for (option, next) in
        help.lines().zip(help.lines().skip(1)).filter(|(line, _)| line.trim().starts_with("--"))
    {
        assert!(!next.trim().is_empty(), "{option} is not documented");
    }
    let secret = auth_service(&["--help"], &[("DATABASE_URL", "postgres://u:hunter2@h/d")]);
    assert!(!String::from_utf8(secret.stdout).unwrap().contains("hunter2"));
}

#[actix_web::test]
async fn healthcheck_and_migrate_report_success_and_failure() {
    let database = TestDatabase::create();
    let mut redis = RedisServer::start();
    let folder = temp_dir();
    let url = database.url();
    let redis_url = redis.url();
    let data = folder.path().to_str().unwrap();
    let env = [("DATABASE_URL", url.as_str()), ("REDIS_URL", &redis_url), ("DATA_DIR", data)];
    for _ in 0..2 {
        let migrated = auth_service(&["migrate"], &env);
        assert!(migrated.status.success(), "{migrated:?}");
    }
    let unreachable = [("DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/x"), env[1], env[2]];
    let output = auth_service(&["migrate"], &unreachable);
    let log = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(log.contains("the database is not available") && !log.contains("hunter2"), "{log}");
    error_line(output);

    let mut process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    client.wait_for_status("/readyz", 200).await;
    let addr = process.addr(0).to_string();
    let healthcheck = || auth_service(&["healthcheck"], &[("AUTH_ADDR", &addr)]);
    assert!(healthcheck().status.success());
    redis.stop();
    client.wait_for_status("/readyz", 503).await;
    assert!(error_line(healthcheck()).contains("is not ready: 503"));
    assert!(process.terminate().success(), "{}", process.log());
    assert!(error_line(healthcheck()).contains("does not answer"));
}

#[actix_web::test]
async fn debug_log_contains_no_secrets() {
    let database = TestDatabase::create();
    let mut redis = RedisServer::start();
    let folder = temp_dir();
    let url = database.url().replace("postgres@", "postgres:hunter2@");
    let redis_url = redis.url();
    let data = folder.path().to_str().unwrap();
    let env = [
        ("DATABASE_URL", url.as_str()),
        ("REDIS_URL", &redis_url),
        ("DATA_DIR", data),
        ("BCRYPT_COST", "10"),
    ];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    client.wait_for_status("/readyz", 200).await;

    let first = client.new_user("ada").await;
    let second = client.refreshed(&first.refresh).await;
    client.refreshed(&second.refresh).await;
    client.refresh(&first.refresh).await.assert_problem(401, "token_not_valid");
    client.login_with("ada", "wrong-secret").await.assert_problem(401, "no_active_account");
    client.login_with("secret-typed-as-name", "x").await.assert_problem(401, "no_active_account");
    client.get("/me", Some(&second.access)).await;
    client.get("/me?access_token=secret-in-query", None).await;
    client.logout(&second).await;
    client.post_raw("/login", "application/json", "{\"password\": \"broken-secret").await;
    redis.stop();
    client.refresh(&second.refresh).await.assert_problem(503, "unavailable");

    process.wait_for_log("refresh token reuse");
    process.wait_for_log("Redis is not available");
    process.wait_for_log("GET /me 401");
    // The last line of the log.
    let log = process.wait_for_log("POST /token/refresh 503");
    let secret = std::fs::read_to_string(folder.path().join("secret.key")).unwrap();
    let mut secrets = vec![
        "correct horse battery",
        "wrong-secret",
        "secret-typed-as-name",
        "broken-secret",
        "secret-in-query",
        "hunter2",
        "bcrypt_sha256$",
        secret.trim(),
    ];
    for token in [&first, &second] {
        secrets
            .extend([&token.access, &token.refresh].map(|token| token.rsplit_once('.').unwrap().1));
    }
    for secret in secrets {
        assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
    }
}
