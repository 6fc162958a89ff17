//! A Redis of a test's own, to be stopped or wiped.

use std::{
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{setting, temp_dir};

/// A running redis-server. It keeps its port when it is stopped and started again.
pub struct RedisServer {
    port: u16,
    append_only: &'static str,
    folder: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts one on a free port, with an append-only file.
    pub fn start() -> Self {
        Self::start_with("yes")
    }

    /// Starts one that keeps only what `SAVE` is told to: after a restart it is as it was then.
    pub fn start_with_snapshots() -> Self {
        Self::start_with("no")
    }

    fn start_with(append_only: &'static str) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Self { port, append_only, folder: temp_dir(), child: None };
        server.resume();
        server
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    /// Its address.
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Kills it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again, with what it had on its disk (an append-only file).
    pub fn resume(&mut self) {
        let child = Command::new(setting("TEST_REDIS_SERVER"))
            .args([
                "--bind",
                "127.0.0.1",
                "--port",
                &self.port.to_string(),
                "--save",
                "",
                "--appendonly",
                self.append_only,
            ])
            .arg("--dir")
            .arg(self.folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server");
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < deadline, "redis-server does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        // It listens before it has read its file.
        while self.command(&["PING"]).is_err() {
            assert!(Instant::now() < deadline, "redis-server is not ready");
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops it where it is (SIGSTOP): it neither answers nor refuses.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.child.as_ref().expect("a running redis-server").id();
        assert!(Command::new("kill").args([signal, &id.to_string()]).status().unwrap().success());
    }

    /// Deletes everything, as a loss would.
    pub fn wipe(&self) {
        self.command(&["FLUSHALL"]).unwrap();
    }

    /// Sends a command.
    pub fn command(&self, words: &[&str]) -> redis::RedisResult<redis::Value> {
        let mut connection = redis::Client::open(self.url())?.get_connection()?;
        redis::cmd(words[0]).arg(&words[1..]).query(&mut connection)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}
