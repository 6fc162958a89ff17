//! Programs in Python, the other language that our services have to get along with.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use serde_json::Value;

use crate::setting;

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

/// A Python that has what `auth-service/tests/interop/requirements.txt` names, and knows of no proxy.
fn python() -> Command {
    let mut command = Command::new(setting("TEST_PYTHON"));
    command.env_clear();
    command
}
