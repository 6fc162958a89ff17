//! The start of the program: what it prints, the page that it names, and addresses in use.

use std::{net::TcpListener, process::Command};

use test_support::{Process, temp_dir};

use crate::support::shell::{assert_in_order, printed};

const PROGRAM: &str = env!("CARGO_BIN_EXE_local-stack");

#[test]
fn the_program_prints_a_page_to_open_first_and_then_a_command_for_the_walk_through() {
    let folder = temp_dir();
    let data = folder.path().join("data");
    let process = Process::start(PROGRAM, 3, &[("DATA_DIR", data.to_str().unwrap())]);
    let [auth, resource, app] = [0, 1, 2].map(|number| process.addr(number));
    let log = process.wait_for_log("Press Ctrl-C to stop.");
    let expected = [
        format!("Open http://{app} in a browser to register, sign in and call a service."),
        format!("auth-service      http://{auth}"),
        format!("resource-service  http://{resource}"),
        format!("browser app       http://{app}"),
        format!("data              {}", data.display()),
        format!("mail              {}/mail, and its links", data.display()),
        format!("`cargo run walkthrough --auth-addr {auth} --resource-addr {resource}`"),
        format!("Open http://{auth}/docs to try every route."),
        "cargo run users create NAME --email ADDRESS --role admin".to_owned(),
    ];
    assert_in_order(&log, &expected.each_ref().map(String::as_str));
}

/// Returns the head and the body of the answer to a GET of a page with this `Origin`.
fn get(url: &str, origin: &str) -> String {
    let mut curl = Command::new("curl");
    curl.args(["-sS", "-i", "--noproxy", "*", "-H", &format!("Origin: {origin}"), url]);
    printed(curl.output().unwrap())
}

#[test]
fn the_app_is_served_on_an_origin_that_both_services_list() {
    let folder = temp_dir();
    let env = [
        ("DATA_DIR", folder.path().to_str().unwrap()),
        // The origin of the app is added to those that the user lists.
        ("BROWSER_ORIGINS", "http://localhost:5173"),
    ];
    let process = Process::start(PROGRAM, 3, &env);
    let [auth, resource, app] = [0, 1, 2].map(|number| format!("http://{}", process.addr(number)));
    let page = get(&format!("{app}/"), &app);
    assert!(page.contains("content-security-policy: frame-ancestors 'none'"), "{page}");
    assert!(page.contains(&format!("connect-src {auth} {resource};")), "{page}");
    for (file, media_type) in
        [("app.js", "text/javascript"), ("client.js", "text/javascript"), ("style.css", "text/css")]
    {
        let answer = get(&format!("{app}/{file}"), &app);
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        assert!(answer.contains(&format!("content-type: {media_type}")), "{answer}");
        assert!(!answer.contains("127.0.0.1:808"), "{file} names a default address");
    }
    for service in [&auth, &resource] {
        for origin in [&*app, "http://localhost:5173"] {
            let answer = get(&format!("{service}/healthz"), origin);
            let allowed = format!("access-control-allow-origin: {origin}\r\n");
            assert!(answer.contains(&allowed), "{answer}");
        }
        let answer = get(&format!("{service}/healthz"), "http://evil.example");
        assert!(!answer.contains("access-control-allow-origin"), "{answer}");
    }
}

#[test]
fn the_program_ends_without_a_warning() {
    let folder = temp_dir();
    let env = [("DATA_DIR", folder.path().to_str().unwrap()), ("RUST_LOG", "info")];
    let mut process = Process::start(PROGRAM, 3, &env);
    process.wait_for_log("following the revocations at");
    assert!(process.terminate().success());
    let log = process.wait_for_log("new connections are refused, requests in progress finish");
    assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = temp_dir();
    let addr = taken.local_addr().unwrap().to_string();
    for variable in ["AUTH_ADDR", "RESOURCE_ADDR", "APP_ADDR"] {
        let output = Command::new(PROGRAM)
            .env_clear()
            .envs(["AUTH_ADDR", "RESOURCE_ADDR", "APP_ADDR"].map(|name| (name, "127.0.0.1:0")))
            .env(variable, &addr)
            .env("DATA_DIR", folder.path())
            .output()
            .unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        let line = errors.lines().find(|line| line.starts_with("error:")).unwrap();
        assert!(line.contains(&addr) && line.contains(variable), "{line}");
    }
}
