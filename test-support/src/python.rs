//! Programs in Python, the other language that our services have to get along with.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::{setting, temp_dir};

/// A running program that answers each line with a line of JSON.
pub struct Python {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Python {
    /// Starts this program.
    pub fn start(program: impl AsRef<Path>) -> Self {
        let mut child = python()
            .arg(program.as_ref())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a running Python");
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, stdin, stdout: BufReader::new(stdout) }
    }

    /// Says a line that has no answer.
    pub fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").unwrap();
    }

    /// The answer to a line.
    ///
    /// # Panics
    /// If the program ends instead. Why is in the test's output.
    pub fn ask(&mut self, line: &str) -> Value {
        self.tell(line);
        let mut answer = String::new();
        self.stdout.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("no answer to {line}, but {answer:?}"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What this program prints as JSON when it is given these arguments and this text.
///
/// # Panics
/// If it fails. Why is in the test's output.
pub fn python_reads(program: impl AsRef<Path>, args: &[&str], text: &str) -> Value {
    let mut child = python()
        .arg(program.as_ref())
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("a running Python");
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", program.as_ref().display());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A Python that has what `auth-service/tests/interop/requirements.txt` names, and knows of no proxy.
fn python() -> Command {
    let mut command = Command::new(setting("TEST_PYTHON"));
    command.env_clear();
    command
}

/// Puts requests by the thousand to the service at this address, right and wrong ones, made from its OpenAPI document by
/// schemathesis, and asserts that each answer is in the document and none is a 5xx. It authenticates itself as the
/// document's security schemes say.
///
/// # Panics
/// With its report, if it finds something, or if a scheme lets nobody in.
pub async fn assert_answers_as_documented(addr: SocketAddr, bearer: &str, client: Option<(&str, &str)>) {
    let folder = temp_dir();
    let mut configuration =
        format!("warnings.fail-on = [\"missing_auth\"]\n[auth.openapi.bearer]\nbearer = {bearer:?}\n");
    if let Some((id, secret)) = client {
        configuration += &format!("[auth.openapi.client]\nusername = {id:?}\npassword = {secret:?}\n");
    }
    // A file, because arguments are seen by all. The folder is where it leaves what it remembers.
    let file = folder.path().join("schemathesis.toml");
    fs::write(&file, configuration).unwrap();
    let mut schemathesis = python();
    schemathesis
        .current_dir(folder.path())
        .args(["-m", "schemathesis.cli", "--config-file", "schemathesis.toml", "run"])
        .arg(format!("http://{addr}/openapi.json"))
        // Not positive_data_acceptance: a name can be taken, and a token worthless, which no schema says.
        // Not use_after_free: there is nothing that a request deletes.
        .args(["--checks=all", "--exclude-checks=positive_data_acceptance,use_after_free"])
        .args(["--phases=examples,coverage,fuzzing", "--continue-on-failure", "--seed=1", "--workers=1"])
        // They would end the session that all other requests need.
        .args(["--exclude-operation-id=logout_all", "--exclude-operation-id=end_session"])
        .args(["--generation-database=none", "--no-color"]);
    let output =
        tokio::task::spawn_blocking(move || schemathesis.output()).await.unwrap().expect("schemathesis");
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(report.contains("Fuzzing (in"), "{report}");
}
