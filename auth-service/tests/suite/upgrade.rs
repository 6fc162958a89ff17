//! The statements of the previous version, on the schema of this version.

use std::{collections::HashSet, env, fs, path::PathBuf};

use crate::support::{TestApp, auth_service};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{PostgresServer, TestDatabase, claims_of, redis_url, sql, temp_dir, unique};

const TABLES: [&str; 5] = ["users", "sessions", "signing_keys", "clients", "audit_events"];

fn file() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../migrations/previous_version.sql")
}

#[actix_web::test]
async fn statements_of_the_previous_version_run_on_the_newest_schema() {
    if env::var_os("UPDATE_PREVIOUS_VERSION").is_some() {
        fs::write(file(), record().await).unwrap();
    }
    let text = fs::read_to_string(file()).unwrap();
    let statements: Vec<&str> = text.lines().filter(|line| !line.starts_with("--")).collect();
    for table in TABLES {
        assert!(
            statements.iter().any(|statement| statement.contains(&format!("\"{table}\""))),
            "{table}"
        );
    }
    let database = TestDatabase::create();
    let url = database.url();
    let migrated = auth_service(
        &temp_dir(),
        &["migrate", "--database-url", &url, "--redis-url", &redis_url()],
    );
    assert!(migrated.status.success(), "{migrated:?}");
    for statement in statements {
        sql(&url, statement);
    }
}

/// Uses every function of a service, and returns each statement that PostgreSQL received once.
async fn record() -> String {
    let settings =
        ["log_statement = 'all'", "log_destination = 'jsonlog'", "logging_collector = on"];
    let postgres = PostgresServer::start_with(&settings);
    let url = postgres.url();
    let redis = redis_url();
    let prefix = unique("test:");
    let stores = ["--database-url", &url, "--redis-url", &redis, "--redis-key-prefix", &prefix];
    let app = TestApp::on_stores(&stores).await;
    let run = |args: &[&str]| {
        let output = auth_service(&app.folder, &[args, &stores].concat());
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };

    let tokens = app.new_user("ada").await;
    app.login_with("ada", "wrong").await;
    run(&["users", "grant", "ada", "--scope", "reports:read", "--role", "admin"]);
    let tokens = app.refreshed(&tokens.refresh).await;
    app.get("/me", Some(&tokens.access)).await;
    app.get("/sessions", Some(&tokens.access)).await;
    let other = app.login("ada").await.tokens();
    let path = format!("/sessions/{}", claims_of(&other.access)["sid"].as_str().unwrap());
    app.send(app.request(Method::DELETE, &path).bearer_auth(&tokens.access)).await;
    let body =
        json!({"old_password": "correct horse battery", "new_password": "a better horse battery"});
    app.send(app.request(Method::POST, "/password").bearer_auth(&tokens.access).json(&body)).await;
    let tokens = app.login_with("ada", "a better horse battery").await.tokens();
    app.logout(&tokens).await;
    let tokens = app.login_with("ada", "a better horse battery").await.tokens();
    app.send(app.request(Method::POST, "/logout/all").bearer_auth(&tokens.access)).await;
    run(&["clients", "create", "job", "--scope", "reports:read"]);
    let secret = run(&["clients", "rotate-secret", "job"]);
    let secret = secret.split_whitespace().last().unwrap();
    let form =
        [("grant_type", "client_credentials"), ("client_id", "job"), ("client_secret", secret)];
    app.send(app.request(Method::POST, "/oauth/token").form(&form)).await;
    for args in [
        &["users", "show", "ada"][..],
        &["audit", "--user", "ada", "--since", "7d"],
        &["users", "disable", "ada"],
        &["users", "enable", "ada"],
        &["users", "delete", "ada", "--yes"],
        &["clients", "list"],
        &["clients", "delete", "job"],
        &["keys", "rotate", "--now"],
        &["keys", "list"],
        &["audit", "--event", "login", "--json"],
        &["cleanup"],
    ] {
        run(args);
    }
    drop(app);
    let heading =
        format!("-- The statements of version {}: see README.md.\n", env!("CARGO_PKG_VERSION"));
    heading + &statements(&postgres.log_lines())
}

/// Returns the statements in a JSON log, with their parameters inserted.
fn statements(lines: &[String]) -> String {
    let mut seen = HashSet::new();
    let mut text = String::new();
    for line in lines {
        let Ok(entry) = serde_json::from_str::<Value>(line) else { continue };
        let message = entry["message"].as_str().unwrap_or_default();
        let Some((_, statement)) =
            message.split_once(": ").filter(|(kind, _)| kind.starts_with("execute "))
        else {
            continue;
        };
        let is_ours = TABLES.iter().any(|table| statement.contains(&format!("\"{table}\"")));
        if is_ours && seen.insert(statement.to_owned()) {
            let detail = entry["detail"].as_str().unwrap_or_default();
            text += &format!("{};\n", with_parameters(statement, detail).replace('\n', " "));
        }
    }
    text
}

/// Replaces `$1` and so on by the values in `Parameters: $1 = 'a', $2 = NULL`.
fn with_parameters(statement: &str, detail: &str) -> String {
    let mut rest = detail.split_once(": ").map_or("", |(_, rest)| rest);
    let mut values = Vec::new();
    while let Some((_, value)) = rest.split_once(" = ") {
        // The value ends at a quote that is not doubled.
        let mut end = value.find(',').unwrap_or(value.len());
        if value.starts_with('\'') {
            end = 1;
            while !value[end..].starts_with('\'') || value[end + 1..].starts_with('\'') {
                end += if value[end..].starts_with("''") {
                    2
                } else {
                    value[end..].chars().next().unwrap().len_utf8()
                };
            }
            end += 1;
        }
        values.push(&value[..end]);
        rest = &value[end..];
    }
    // In a single pass, because a value may look like a placeholder.
    let mut parts = statement.split('$');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(part.len());
        let number: usize = part[..digits].parse().expect("a parameter's number");
        text = text + values[number - 1] + &part[digits..];
    }
    text
}
