//! The README's walk-through works when it is pasted, and the program prints it.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use test_support::{Process, temp_dir};

const PROGRAM: &str = env!("CARGO_BIN_EXE_local-stack");

/// Returns the shell commands of the README's walk-through.
fn walkthrough() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(path).unwrap();
    let (_, section) = readme.split_once("## Walk-through").unwrap();
    let (_, commands) = section.split_once("```sh\n").unwrap();
    commands.split_once("```\n").unwrap().0.to_owned()
}

#[test]
fn the_walk_through_works_when_it_is_pasted() {
    let folder = temp_dir();
    let data = folder.path().join("data");
    let process = Process::start(PROGRAM, 2, &[("DATA_DIR", data.to_str().unwrap())]);
    let commands = walkthrough()
        .replace("127.0.0.1:8080", &process.addr(0).to_string())
        .replace("127.0.0.1:8081", &process.addr(1).to_string());

    let mut shell = Command::new("bash")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    shell.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    let output = shell.wait_with_output().unwrap();
    let shown = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(errors, "", "{shown}");
    let seen = [
        "\"username\":\"ada\"}",
        "\"tokens\":{\"access\"",
        "HTTP/1.1 401",
        "HTTP/1.1 200",
        "\"sub\":",
        "{\"access\"",
        "HTTP/1.1 204",
        "HTTP/1.1 401",
        "\"code\":\"token_not_valid\"",
    ];
    let mut rest = shown.as_str();
    for expected in seen {
        let found = rest.split_once(expected);
        rest = found.unwrap_or_else(|| panic!("{expected} is missing in\n{shown}")).1;
    }
}

#[test]
fn the_program_prints_the_walk_through() {
    let print = |args: &[&str]| {
        let output = Command::new(PROGRAM).env_clear().args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(print(&["walkthrough"]), walkthrough());
    let elsewhere = print(&["walkthrough", "--resource-addr", "127.0.0.1:9001"]);
    assert_eq!(elsewhere, walkthrough().replace("127.0.0.1:8081", "127.0.0.1:9001"));
}
