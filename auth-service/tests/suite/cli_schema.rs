//! Commands and the schema: `serve`, `migrate` and `generate-secret` make what is missing, and no
//! other command does.

use std::{fs, process::Output};

use diesel::{RunQueryDsl, sql_query};
use test_support::{TempDir, TestDatabase, sql, temp_dir};

use crate::support::{
    auth_service, data_folder,
    keys::{stderr_of, stdout_of},
    open_sqlite,
};

/// A command of each kind that needs a schema.
const COMMANDS: [&[&str]; 10] = [
    &["keys", "list"],
    &["keys", "generate"],
    &["keys", "rotate"],
    &["users", "show", "ada"],
    &["users", "grant", "ada", "--role", "admin"],
    &["clients", "list"],
    &["clients", "create", "job"],
    &["audit"],
    &["audit", "--json"],
    &["cleanup"],
];

/// Encodings that hold fewer characters than UTF-8.
const LATIN1: &str = "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0";

/// Runs a command on PostgreSQL.
fn run_on(database: &TestDatabase, folder: &TempDir, command: &[&str]) -> Output {
    let url = database.url();
    let stores = ["--database-url", &url, "--redis-url", "redis://127.0.0.1:1/"];
    auth_service(folder, &[command, &stores].concat())
}

fn tables(database: &TestDatabase) -> usize {
    sql(&database.url(), "SELECT 1 FROM pg_class WHERE relnamespace = 'public'::regnamespace")
}

#[test]
fn empty_folder_stays_empty() {
    let folder = temp_dir();
    for command in COMMANDS {
        let error = stderr_of(auth_service(&folder, command));
        assert!(error.contains("auth.sqlite3 (DATA_DIR) does not exist"), "{command:?}: {error}");
        assert!(error.contains("run `auth-service migrate`"), "{command:?}: {error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{command:?}");
    }
}

#[test]
fn empty_database_stays_empty() {
    let folder = temp_dir();
    let database = TestDatabase::create();
    for command in COMMANDS {
        let error = stderr_of(run_on(&database, &folder, command));
        assert!(error.contains("the database does not have the schema"), "{command:?}: {error}");
        assert!(error.contains("run `auth-service migrate`"), "{command:?}: {error}");
    }
    assert_eq!(tables(&database), 0);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn older_schema_is_not_migrated() {
    let folder = data_folder();
    let mut sqlite = open_sqlite(&folder);
    let newest = "(SELECT max(version) FROM __diesel_schema_migrations)";
    let forget = format!("DELETE FROM __diesel_schema_migrations WHERE version = {newest}");
    sql_query(forget).execute(&mut sqlite).unwrap();
    for command in COMMANDS {
        let error = stderr_of(auth_service(&folder, command));
        assert!(error.contains("older schema (1 migrations are missing)"), "{command:?}: {error}");
    }
    // A later version's schema is no obstacle.
    let versions = "INSERT INTO __diesel_schema_migrations (version) VALUES ('29991231000000'), ";
    let migrations = concat!(env!("CARGO_MANIFEST_DIR"), "/../migrations/sqlite");
    let folders = fs::read_dir(migrations).unwrap();
    let names = folders.map(|folder| folder.unwrap().file_name().into_string().unwrap());
    let newest = names.max().unwrap().split('_').next().unwrap().replace('-', "");
    sql_query(format!("{versions} ('{newest}')")).execute(&mut sqlite).unwrap();
    stdout_of(auth_service(&folder, &["keys", "list"]));
}

#[test]
fn missing_secret_is_not_generated() {
    let folder = temp_dir();
    stdout_of(auth_service(&folder, &["migrate"]));
    let error = stderr_of(auth_service(&folder, &["keys", "generate"]));
    assert!(error.contains("secret.key (SECRET_KEY_FILE) does not exist"), "{error}");
    assert!(!folder.path().join("secret.key").exists());
}

#[test]
fn database_that_is_not_utf8_is_refused_at_start() {
    let database = TestDatabase::create_with(LATIN1);
    let folder = temp_dir();
    for command in [&["serve", "--auth-addr=127.0.0.1:0"][..], &["migrate"], &["clients", "list"]] {
        let errors = stderr_of(run_on(&database, &folder, command));
        let error = errors.lines().find(|line| line.starts_with("error: ")).expect("an error");
        assert!(error.contains("has the encoding LATIN1, and must have UTF8"), "{error}");
        assert!(error.contains("CREATE DATABASE … ENCODING 'UTF8'"), "{error}");
    }
    let report = run_on(&database, &folder, &["doctor"]).stdout;
    let report = String::from_utf8(report).unwrap();
    assert!(report.contains("wrong   encoding  the database has the encoding LATIN1"), "{report}");
    assert_eq!(tables(&database), 0);
}
