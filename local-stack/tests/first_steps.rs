//! The start of the program: what it prints, the page that it names, and addresses in use.

use std::{net::TcpListener, process::Command};

use test_support::{Process, temp_dir};

const PROGRAM: &str = env!("CARGO_BIN_EXE_local-stack");

#[test]
fn the_program_prints_a_page_to_open_and_a_command_for_the_walk_through() {
    let folder = temp_dir();
    let data = folder.path().join("data");
    let process = Process::start(PROGRAM, 2, &[("DATA_DIR", data.to_str().unwrap())]);
    let (auth, resource) = (process.addr(0), process.addr(1));
    process.wait_for_log(&format!("data              {}", data.display()));
    process.wait_for_log(&format!("Open http://{auth}/docs in a browser"));
    process.wait_for_log(&format!(
        "`cargo run walkthrough --auth-addr {auth} --resource-addr {resource}`"
    ));
}

#[test]
fn an_address_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = temp_dir();
    let addr = taken.local_addr().unwrap().to_string();
    for variable in ["AUTH_ADDR", "RESOURCE_ADDR"] {
        let output = Command::new(PROGRAM)
            .env_clear()
            .envs([("AUTH_ADDR", "127.0.0.1:0"), ("RESOURCE_ADDR", "127.0.0.1:0")])
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
