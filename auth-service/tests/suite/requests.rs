//! Request ids, and the log of requests and audit events.

use std::process::Command;

use crate::support::TestApp;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Client, Process, claims_of, temp_dir};

#[actix_web::test]
async fn every_answer_has_a_request_id() {
    let app = TestApp::embedded().await;
    let ask = async |id: &str| {
        let answer =
            app.send(app.request(Method::GET, "/healthz").header("x-request-id", id)).await;
        answer.header("x-request-id").to_owned()
    };
    assert_eq!(ask("4bf92f35-77b3.4da6/a=1").await, "4bf92f35-77b3.4da6/a=1");
    let mut ids = std::collections::BTreeSet::new();
    for invalid in ["", "two words", "quote\"", "<script>", &"x".repeat(129)] {
        let id = ask(invalid).await;
        assert_ne!(id, invalid);
        assert!(!id.is_empty() && ids.insert(id), "{ids:?}");
    }
    // An error has an id, too.
    let nowhere = app.get("/nowhere", None).await;
    assert!(ids.insert(nowhere.header("x-request-id").to_owned()));
}

#[actix_web::test]
async fn request_log_names_the_request_and_no_secrets() {
    let folder = temp_dir();
    let data = folder.path().to_str().unwrap();
    let env = [
        ("DATA_DIR", data),
        ("BCRYPT_COST", "10"),
        ("LOG_FORMAT", "json"),
        ("RUST_LOG", "info,request=debug"),
    ];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    let tokens = client.new_user("ada").await;
    let request = client.request(Method::GET, "/me/?token=hunter2").header("x-request-id", "mine");
    assert_eq!(client.send(request.bearer_auth(&tokens.access)).await.status, 200);
    let log = process.wait_for_log("\"request_id\":\"mine\"");
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let line = lines.iter().find(|line| line["request_id"] == "mine").unwrap();
    assert_eq!(
        (&line["message"], &line["route"], &line["status"], &line["user"], &line["ip"]),
        (
            &json!("GET /me 200"),
            &json!("/me"),
            &json!("200"),
            &claims_of(&tokens.access)["sub"],
            &json!("127.0.0.1")
        )
    );
    assert!(line["ms"].as_str().unwrap().parse::<f64>().unwrap() > 0.0, "{line}");
    assert!(!log.contains("hunter2") && !log.contains(".eyJ") && !log.contains("horse"), "{log}");
}

#[actix_web::test]
async fn audit_events_are_logged_as_text_and_as_json() {
    let folder = temp_dir();
    let data = folder.path().to_str().unwrap();
    let process = Process::start(
        env!("CARGO_BIN_EXE_auth-service"),
        1,
        &[("DATA_DIR", data), ("BCRYPT_COST", "10")],
    );
    let client = Client::new(process.addr(0));
    let tokens = client.new_user("ada").await;
    let sid = claims_of(&tokens.access)["sid"].clone();
    process.wait_for_log("audit] login event=login actor=user user=");
    process.wait_for_log(&format!("session={} ip=127.0.0.1", sid.as_str().unwrap()));
    drop(process);

    let env = [("DATA_DIR", data), ("LOG_FORMAT", "json"), ("BCRYPT_COST", "10")];
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    let login = client.request(Method::POST, "/login").header("user-agent", "a \"browser\"");
    client
        .send(login.json(&json!({"username": "ada", "password": "correct horse battery"})))
        .await
        .tokens();
    let log = process.wait_for_log("\"event\":\"login\"");
    let lines: Vec<Value> =
        log.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
    let login = lines.iter().find(|line| line["event"] == "login").unwrap();
    assert_eq!(
        (&login["target"], &login["level"], &login["actor"]),
        (&json!("audit"), &json!("INFO"), &json!("user"))
    );
    assert_eq!(
        (&login["message"], &login["user_agent"]),
        (&json!("login"), &json!("a \"browser\""))
    );
    assert!(login["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{login}");
    assert!(!log.contains("horse") && !log.contains(".eyJ"), "{log}");
}

#[test]
fn invalid_log_format_is_rejected() {
    let output = Command::new(env!("CARGO_BIN_EXE_auth-service"))
        .env_clear()
        .env("LOG_FORMAT", "xml")
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), errors.as_str()),
        (Some(2), "error: LOG_FORMAT must be text or json\n")
    );
}

#[test]
fn limit_of_open_files_is_raised_as_far_as_the_system_allows() {
    let start = |limit: &str, settings: &[(&str, &str)]| {
        let folder = temp_dir();
        let script = format!("ulimit {limit}; exec {}", env!("CARGO_BIN_EXE_auth-service"));
        let mut env = vec![("DATA_DIR", folder.path().to_str().unwrap()), ("RUST_LOG", "info")];
        env.extend(settings);
        Process::start_with_args("sh", &["-c", &script], 1, &env)
    };
    let process = start("-Sn 256", &[("MAX_CONNECTIONS", "1000")]);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", process.id())).unwrap();
    let limits = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let [soft, hard, ..] = limits.split_whitespace().collect::<Vec<_>>()[..] else {
        panic!("{limits}");
    };
    assert_eq!(soft, hard);
    assert!(!process.log().contains("MAX_CONNECTIONS"), "{}", process.log());

    let process = start("-n 500", &[("MAX_CONNECTIONS", "1000")]);
    process.wait_for_log("MAX_CONNECTIONS is 1000, and the process may open only 500 files");
}
