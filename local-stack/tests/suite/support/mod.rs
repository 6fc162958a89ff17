//! Support for the tests of the documentation: its pages, their code samples, and a local stack to
//! run the samples against.

pub mod guarded_app;
pub mod pages;
pub mod samples;
pub mod shell;

use test_support::{Process, TempDir, temp_dir};

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_local-stack");

/// A running local stack on free ports.
pub struct Stack {
    pub process: Process,
    pub data: TempDir,
}

impl Stack {
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts with these settings besides those of all tests.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let data = temp_dir();
        let env = [("DATA_DIR", data.path().to_str().unwrap()), ("BCRYPT_COST", "10")];
        let env = [&env, settings].concat();
        let process = Process::start(PROGRAM, 2, &env);
        Self { process, data }
    }

    /// Returns text in which the default addresses, and the default folder of mails, are those of
    /// this stack.
    pub fn localize(&self, text: &str) -> String {
        let auth = self.process.addr(0).to_string();
        text.replace("127.0.0.1:8080", &auth)
            .replace("localhost:8080", &auth)
            .replace("127.0.0.1:8081", &self.process.addr(1).to_string())
            .replace(" data/mail/", &format!(" {}/mail/", self.data.path().display()))
    }
}
