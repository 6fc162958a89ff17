//! Addresses of the stores as operators write them, in variables and in files.

use std::process::{Command, Output};

use test_support::{
    PgBouncer, RedisServer, TempDir, TestDatabase, redis_url, temp_dir, write_private,
};

use crate::support::keys::stdout_of;

/// A password with the characters that have a meaning in URLs and in libpq's strings.
const PASSWORD: &str = r#"p@s:s/w?o#r&d=%20+ 'q"\é"#;
/// The same password, in a URL.
const ENCODED: &str = "p%40s%3as%2Fw?o#r&d=%2520+%20'q%22\\%C3%A9";

/// Runs a command with these variables only.
fn run(folder: &TempDir, command: &str, variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .env_clear()
        .env("BCRYPT_COST", "10")
        .env("DATA_DIR", folder.path())
        .envs(variables.iter().copied())
        .arg(command)
        .output()
        .unwrap()
}

/// Asserts that `doctor` reaches both stores.
#[track_caller]
fn assert_reached(folder: &TempDir, variables: &[(&str, &str)]) {
    let report = stdout_of(run(folder, "doctor", variables));
    for line in ["ok      database  PostgreSQL", "ok      redis     Redis"] {
        assert!(report.contains(line), "{variables:?}: {report}");
    }
    assert!(!report.contains("p@s") && !report.contains("p%40s"), "{report}");
}

/// Writes a file, and returns its path.
fn file(folder: &TempDir, name: &str, content: &str) -> String {
    let file = folder.path().join(name);
    write_private(&file, content);
    file.to_str().unwrap().to_owned()
}

#[test]
fn password_may_contain_any_character() {
    let database = TestDatabase::create();
    let server = database.server_addr();
    let bouncer = PgBouncer::start_with(&server, PASSWORD, &["auth_type = plain"]);
    let redis = RedisServer::start();
    redis.command(&["CONFIG", "SET", "requirepass", PASSWORD]).unwrap();
    let url = database.url();
    let (_, name) = url.rsplit_once('/').unwrap();
    let port = bouncer.addr().port();
    let quoted = PASSWORD.replace('\\', r"\\").replace('\'', r"\'");
    let folder = temp_dir();
    for (postgres, redis) in [
        (
            format!("postgres://postgres:{ENCODED}@127.0.0.1:{port}/{name}"),
            format!("redis://:{ENCODED}@{}/", redis.addr()),
        ),
        (
            format!("host=127.0.0.1 port={port} dbname={name} user=postgres password='{quoted}'"),
            format!("redis://default:{ENCODED}@{}/0", redis.addr()),
        ),
        (
            format!("postgresql://:{port}/{name}?host=127.0.0.1&user=postgres&password={ENCODED}")
                .replace("&d=", "%26d%3D"),
            format!("redis://{ENCODED}@{}?db=0", redis.addr()),
        ),
    ] {
        assert_reached(&folder, &[("DATABASE_URL", &postgres), ("REDIS_URL", &redis)]);
    }
    let wrong = format!("postgres://postgres:wrong@127.0.0.1:{port}/{name}");
    let report = run(&folder, "doctor", &[("DATABASE_URL", &wrong), ("REDIS_URL", "redis://a/")]);
    let report = String::from_utf8(report.stdout).unwrap();
    assert!(report.contains("wrong   database  "), "{report}");
}

#[test]
fn line_breaks_and_byte_order_marks_are_no_part_of_a_value() {
    let database = TestDatabase::create();
    let (url, redis) = (database.url(), redis_url());
    let folder = temp_dir();
    assert_reached(
        &folder,
        &[
            ("DATABASE_URL", &format!("{url}\n")),
            ("REDIS_URL", &format!("{redis}\r\n")),
            ("DATABASE_TIMEOUT", "5\n"),
            ("AUDIENCE", "api\n"),
            // Empty variables are unset.
            ("DATABASE_URL_FILE", ""),
            ("REDIS_URL_FILE", "\n"),
            ("ISSUER", ""),
            ("METRICS_ADDR", ""),
            ("LEEWAY", ""),
            ("LOG_FORMAT", "text\n"),
            ("RUST_LOG", ""),
        ],
    );
    let url_file = file(&folder, "url", &format!("\u{feff}{url}\r\n"));
    let redis_file = file(&folder, "redis", &format!("  {redis}\n\n"));
    assert_reached(
        &folder,
        &[
            ("DATABASE_URL", ""),
            ("DATABASE_URL_FILE", &format!("{url_file}\n")),
            ("REDIS_URL_FILE", &redis_file),
        ],
    );
}

#[test]
fn option_of_the_command_line_wins_over_a_variable_with_a_line_break() {
    let folder = temp_dir();
    let output = Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .env_clear()
        .env("BCRYPT_COST", "10")
        .env("ISSUER", "https://variable.example.com\n")
        .args(["doctor", "--issuer", "https://option.example.com", "--data-dir"])
        .arg(folder.path())
        .output()
        .unwrap();
    let report = stdout_of(output);
    assert!(report.contains("the issuer is https://option.example.com"), "{report}");
}

#[test]
fn error_in_a_variable_with_a_line_break_names_the_variable_and_not_its_value() {
    let folder = temp_dir();
    let output = run(&folder, "doctor", &[("DATABASE_URL", "mysql://u:hunter2@h/d\n")]);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.contains("(or DATABASE_URL)") && !errors.contains("hunter2"), "{errors}");
}
