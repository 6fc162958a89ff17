//! Runs samples in a shell, in which the repository's programs are commands.

use std::{
    env, fs,
    io::Write,
    os::unix::fs::symlink,
    path::Path,
    process::{Command, Output, Stdio},
};

use test_support::{TempDir, program, temp_dir};

use super::{PROGRAM, Stack};

/// A folder with the commands that samples use, for `PATH`.
pub struct Commands(TempDir);

impl Commands {
    pub fn new() -> Self {
        let folder = temp_dir();
        symlink(PROGRAM, folder.path().join("local-stack")).unwrap();
        symlink(program("auth-service"), folder.path().join("auth-service")).unwrap();
        // The packages of samples in Python are those of the tests, so pip has nothing to fetch.
        let pip = folder.path().join("pip");
        let script = format!(
            "#!/bin/sh\nexport PIP_NO_INDEX=1 PIP_DISABLE_PIP_VERSION_CHECK=1\nexec {} -m pip \"$@\"\n",
            python()
        );
        fs::write(&pip, script).unwrap();
        assert!(Command::new("chmod").arg("+x").arg(pip).status().unwrap().success());
        Self(folder)
    }

    pub fn path(&self) -> String {
        format!("{}:{}", self.0.path().display(), env::var("PATH").unwrap())
    }
}

/// Returns the program that runs samples in Python.
pub fn python() -> String {
    env::var("TEST_PYTHON").unwrap_or_else(|_| "python3".into())
}

/// Returns a shell sample in which `cargo run` is the program that it runs.
pub fn without_cargo(code: &str) -> String {
    let code = code.replace("cargo run -- ", "local-stack ");
    code.replace("cargo run ", "local-stack ").replace("cargo run\n", "local-stack\n")
}

/// Runs a shell sample on the data and at the addresses of a local stack. Returns what it prints.
///
/// # Panics
/// If a command of the sample fails, or prints a warning or an error.
pub fn run_on(stack: &Stack, code: &str, variables: &[(&str, &str)]) -> String {
    let commands = Commands::new();
    let mut bash = Command::new("bash");
    bash.args(["-e", "-o", "pipefail"])
        // Files that a sample writes go with this folder.
        .current_dir(commands.0.path())
        .env_clear()
        .env("PATH", commands.path())
        .env("DATA_DIR", stack.data.path())
        .env("AUTH_ADDR", stack.process.addr(0).to_string())
        .env("RUST_LOG", "warn")
        .env("BCRYPT_COST", "10")
        .envs(variables.iter().copied());
    let code = stack.localize(&without_cargo(code));
    printed(run(&mut bash, &code))
}

/// Runs a program with text as its input.
pub fn run(command: &mut Command, input: &str) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("a program");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// Returns what a program printed.
///
/// # Panics
/// If the program failed, or wrote to its standard error.
#[track_caller]
pub fn printed(output: Output) -> String {
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "", "{printed}");
    assert!(output.status.success(), "{printed}");
    printed
}

/// Asserts that a text contains these parts in this order.
#[track_caller]
pub fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let found = rest.split_once(part);
        rest = found.unwrap_or_else(|| panic!("{part} is missing in\n{text}")).1;
    }
}

/// Asserts that bash can parse a sample.
pub fn assert_parses(code: &str) {
    printed(run(Command::new("bash").arg("-n"), code));
}

/// Returns the arguments of each command of auth-service in a sample, with or without a container.
pub fn auth_service_commands(code: &str) -> Vec<Vec<String>> {
    let joined = code.replace("\\\n", " ");
    let mut commands = Vec::new();
    for line in joined.lines() {
        let line = line.split(" #").next().unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_name = |word: &&str| *word == "auth-service" || *word == "/auth-service";
        let Some(at) = words.iter().position(is_name) else { continue };
        let is_run =
            at == 0 || words.starts_with(&["docker", "compose", "run"]) || words[at - 1] == "--";
        if is_run {
            let args =
                words[at + 1..].iter().take_while(|word| !["|", ">", "&&", ";"].contains(*word));
            commands.push(args.map(|word| (*word).to_owned()).collect());
        }
    }
    commands
}

/// Asserts that auth-service has the subcommand and the options of a command.
pub fn assert_is_a_command_of_auth_service(args: &[String]) {
    let mut auth_service = Command::new(program("auth-service"));
    // With --help, auth-service only parses the arguments before it.
    let output = auth_service.env_clear().args(args).arg("--help").output().unwrap();
    assert!(output.status.success(), "auth-service {args:?}: {output:?}");
}

/// Asserts that a file or folder of the repository exists.
pub fn assert_exists(root: &Path, path: &str) {
    assert!(root.join(path).exists(), "{path} does not exist");
}
