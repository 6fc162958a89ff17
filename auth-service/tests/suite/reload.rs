//! SIGHUP: the service reloads the log filter while it runs.

use std::{fs, process::Command};

use reqwest::Method;
use test_support::{Client, Process, TempDir, temp_dir};

fn start(data: &TempDir, settings: &[(&str, &str)]) -> (Process, Client) {
    let mut env = vec![("DATA_DIR", data.path().to_str().unwrap())];
    env.extend(settings);
    let process = Process::start(env!("CARGO_BIN_EXE_auth-service"), 1, &env);
    let client = Client::new(process.addr(0));
    (process, client)
}

async fn send_request(client: &Client, id: &str) {
    let request = client.request(Method::GET, "/healthz").header("x-request-id", id);
    assert_eq!(client.send(request).await.status, 200);
}

#[actix_web::test]
async fn sighup_reloads_the_log_filter_and_keeps_the_old_filter_if_invalid() {
    let data = temp_dir();
    let file = data.path().join("filter");
    fs::write(&file, "info\nactix_server=warn\n").unwrap();
    // The file takes precedence over RUST_LOG, which is debug.
    let (process, client) = start(&data, &[("LOG_FILTER_FILE", file.to_str().unwrap())]);
    send_request(&client, "first").await;

    fs::write(&file, "info,request=debug\n").unwrap();
    process.send_sighup();
    let log = process.wait_for_log("reloaded: LOG_FILTER_FILE");
    assert!(!log.contains("request_id=first") && log.contains("listens on"), "{log}");
    send_request(&client, "second").await;
    process.wait_for_log("request_id=second");

    let assert_rejected = async |reason: &str, id: &str| {
        process.send_sighup();
        let log = process.wait_for_log(reason);
        let line = log.lines().find(|line| line.contains(reason)).unwrap();
        assert!(line.contains("ERROR") && line.contains("cannot reload LOG_FILTER_FILE"), "{line}");
        send_request(&client, id).await;
        process.wait_for_log(&format!("request_id={id}"));
    };
    fs::write(&file, "info,request=loud").unwrap();
    assert_rejected("'loud'", "third").await;
    fs::write(&file, "inof").unwrap();
    assert_rejected("names no level", "fourth").await;
    fs::remove_file(&file).unwrap();
    assert_rejected("No such file", "fifth").await;
}

#[actix_web::test]
async fn sighup_without_a_filter_file_changes_nothing() {
    let data = temp_dir();
    let (process, client) = start(&data, &[("RUST_LOG", "info")]);
    process.send_sighup();
    process.wait_for_log("no setting names a file to reload");
    send_request(&client, "after").await;
}

#[test]
fn invalid_log_filter_ends_the_start() {
    let data = temp_dir();
    let file = data.path().join("filter");
    let start = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auth-service"));
        command.env_clear().env("LOG_FILTER_FILE", &file).env("DATA_DIR", data.path());
        let output = command.env("AUTH_ADDR", "127.0.0.1:0").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(start().starts_with("error: LOG_FILTER_FILE: cannot read "));
    fs::write(&file, "info,request=loud").unwrap();
    assert!(start().contains("LOG_FILTER_FILE") && start().contains("loud"));
}
