//! Python programs: clients of our services in another language, and validators.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::{setting, sized, temp_dir};

/// A running Python program that answers each line with a line of JSON.
pub struct Python {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Python {
    /// Starts a program.
    pub fn start(program: impl AsRef<Path>) -> Self {
        let mut child = spawn(program.as_ref(), &[]);
        let stdin = child.stdin.take().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        Self { child, stdin, stdout }
    }

    /// Sends a line that the program does not answer.
    pub fn send_line(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    /// Sends a line, and returns the answer.
    ///
    /// # Panics
    /// If the program ends instead. The test's output then contains the program's error.
    pub fn ask(&mut self, line: &str) -> Value {
        self.send_line(line);
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        let parsed = serde_json::from_str(&answer);
        parsed.unwrap_or_else(|_| panic!("no answer to {line}, but {answer:?}"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program with these arguments and this standard input. Returns the JSON that the program
/// prints.
///
/// # Panics
/// If the program fails. The test's output then contains the program's error.
pub fn run_python(program: impl AsRef<Path>, args: &[&str], input: &str) -> Value {
    let mut child = spawn(program.as_ref(), args);
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", program.as_ref().display());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn spawn(program: &Path, args: &[&str]) -> Child {
    let mut command = python();
    command.arg(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("a running Python")
}

/// Returns the Python that has the packages in `auth-service/tests/interop/requirements.txt`. The
/// environment is empty, so that no HTTP proxy is configured.
fn python() -> Command {
    let mut command = Command::new(setting("TEST_PYTHON"));
    command.env_clear();
    command
}

/// Sends hundreds of valid and invalid requests to the service at this address, which
/// schemathesis derives from the service's OpenAPI document. Asserts that the document describes
/// every answer, and that no answer is a 5xx. `bearer` and `client` are the credentials for the
/// document's security schemes.
///
/// # Panics
/// With schemathesis' report, if an answer is wrong or if a security scheme refuses the
/// credentials.
pub async fn assert_answers_as_documented(
    addr: SocketAddr,
    bearer: &str,
    client: Option<(&str, &str)>,
) {
    let folder = temp_dir();
    // A file, because other users of the machine can see arguments.
    let file = folder.path().join("schemathesis.toml");
    fs::write(&file, schemathesis_configuration(bearer, client)).unwrap();
    let mut schemathesis = python();
    schemathesis
        // schemathesis keeps files in the current folder.
        .current_dir(folder.path())
        .args(["-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"])
        .arg(format!("http://{addr}/openapi.json"))
        .arg("--checks=all")
        // positive_data_acceptance: a name can be taken and a token unknown, which no schema
        // describes. use_after_free: no request deletes what another request names.
        .arg("--exclude-checks=positive_data_acceptance,use_after_free")
        .args(["--phases=examples,coverage,fuzzing", "--continue-on-failure"])
        .args(["--seed=1", "--workers=1"])
        .arg(format!("--max-examples={}", sized(20, 20, 100)))
        // These operations would end the session that all other requests need.
        .args(["--exclude-operation-id=logout_all", "--exclude-operation-id=end_session"])
        .args(["--generation-database=none", "--no-color"]);
    let output = tokio::task::spawn_blocking(move || schemathesis.output()).await.unwrap();
    let output = output.expect("schemathesis");
    let report = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{report}\n{errors}");
    assert!(report.contains("Fuzzing (in"), "{report}");
}

fn schemathesis_configuration(bearer: &str, client: Option<(&str, &str)>) -> String {
    let mut text = "warnings.fail-on = [\"missing_auth\"]\n".to_owned();
    text += &format!("[auth.openapi.bearer]\nbearer = {bearer:?}\n");
    if let Some((id, secret)) = client {
        text += &format!("[auth.openapi.client]\nusername = {id:?}\npassword = {secret:?}\n");
    }
    text
}
