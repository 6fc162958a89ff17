//! The README is true: its walk-through and its samples work as they stand, and the program prints the longer walk-through.

use std::{
    env, fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use test_support::{Client, Process, TempDir, temp_dir};

const PROGRAM: &str = env!("CARGO_BIN_EXE_local-stack");

/// A running local stack on free ports.
struct Stack {
    process: Process,
    _data: TempDir,
}

impl Stack {
    fn start() -> Self {
        let data = temp_dir();
        let process = Process::start(PROGRAM, 2, &[("DATA_DIR", data.path().to_str().unwrap())]);
        Self { process, _data: data }
    }

    /// Returns text in which the default addresses are those of this stack.
    fn localize(&self, text: &str) -> String {
        text.replace("127.0.0.1:8080", &self.process.addr(0).to_string())
            .replace("127.0.0.1:8081", &self.process.addr(1).to_string())
    }
}

/// Returns the first code block of a language in a section of the README.
fn sample(section: &str, language: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(path).unwrap();
    let (_, rest) = readme.split_once(&format!("## {section}\n")).unwrap();
    let (_, code) = rest.split_once(&format!("```{language}\n")).unwrap();
    code.split_once("```\n").unwrap().0.to_owned()
}

/// Runs a program with text as its input. Returns what it prints, and asserts that it prints no error.
fn run(program: &str, args: &[&str], input: &str) -> String {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{printed}");
    assert!(output.status.success(), "{printed}");
    printed
}

/// Asserts that a text contains these parts in this order.
fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let found = rest.split_once(part);
        rest = found.unwrap_or_else(|| panic!("{part} is missing in\n{text}")).1;
    }
}

fn print_walkthrough(args: &[&str]) -> String {
    let output = Command::new(PROGRAM).env_clear().arg("walkthrough").args(args).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_walk_through_works_when_it_is_pasted() {
    let stack = Stack::start();
    let printed = run("bash", &[], &stack.localize(&sample("Walk-through", "sh")));
    assert_in_order(&printed, &["\"username\":\"ada\"}", "\"tokens\":{\"access\"", "\"sub\":"]);
}

#[test]
fn the_longer_walk_through_works_when_it_is_pasted() {
    let stack = Stack::start();
    let printed = run("bash", &[], &stack.localize(&print_walkthrough(&[])));
    let expected = [
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
    assert_in_order(&printed, &expected);
}

#[test]
fn the_longer_walk_through_names_the_addresses_in_use() {
    let elsewhere = print_walkthrough(&["--resource-addr", "127.0.0.1:9001"]);
    assert_eq!(elsewhere, print_walkthrough(&[]).replace("127.0.0.1:8081", "127.0.0.1:9001"));
}

#[actix_web::test]
async fn the_python_sample_accepts_a_token_and_refuses_a_changed_one() {
    let python = env::var("TEST_PYTHON").unwrap_or_else(|_| "python3".into());
    let stack = Stack::start();
    let client = Client::new(stack.process.addr(0));
    // The issuer that tokens name is the address by default.
    let tokens = client.new_user("ada").await;
    let mut program = stack.localize(&sample("Protect a service", "python"));
    program += "import sys\nprint(verify(sys.argv[1])['preferred_username'])\n";
    assert_eq!(run(&python, &["-", &tokens.access], &program), "ada\n");
    let changed = tokens.access.replacen("eyJ", "eyK", 1);
    let refused = Command::new(python).arg("-c").arg(program).arg(changed).output().unwrap();
    assert!(!refused.status.success());
}
