//! A Redis server for one test, which the test can stop or wipe.

use std::process::{Child, Command, Stdio};

use redis::{FromRedisValue, RedisResult, Value};
use tempfile::TempDir;

use crate::{send_signal, setting, start_on_free_port, temp_dir, wait_until_blocking};

/// A running Redis. It keeps its port when it is stopped and restarted.
pub struct RedisServer {
    port: u16,
    args: Vec<String>,
    folder: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts a server with an append-only file.
    pub fn start() -> Self {
        Self::start_with(&["--appendonly", "yes"])
    }

    /// Starts a server that keeps data only at `SAVE`. After a restart it has the data of the last
    /// `SAVE`, or no data.
    pub fn start_with_snapshots() -> Self {
        Self::start_with(&[])
    }

    /// Starts a server with these options. Without an option for persistence, the server keeps
    /// data only at `SAVE`.
    pub fn start_with(args: &[&str]) -> Self {
        start_on_free_port("redis-server", |port| {
            let args = args.iter().map(|&arg| arg.to_owned()).collect();
            let mut server = Self { port, args, folder: temp_dir(), child: None };
            server.launch().then_some(server)
        })
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address.
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Returns the URL.
    pub fn url(&self) -> String {
        format!("redis://{}/", self.addr())
    }

    /// Kills the server.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts the stopped server again, with the data on its disk.
    pub fn restart(&mut self) {
        assert!(self.launch(), "redis-server does not start");
    }

    /// Starts the process, and returns whether it runs.
    fn launch(&mut self) -> bool {
        let child = Command::new(setting("TEST_REDIS_SERVER"))
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--save", "", "--dir"])
            .arg(self.folder.path())
            .args(&self.args)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server");
        wait_until_ready(self.port, self.child.insert(child))
    }

    /// Pauses the process (SIGSTOP): the server keeps its connections open and answers no command.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Lets the paused process continue (SIGCONT).
    pub fn unpause(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        send_signal(signal, self.child.as_ref().expect("a running redis-server").id());
    }

    /// Deletes all data.
    pub fn wipe(&self) {
        self.command(&["FLUSHALL"]).unwrap();
    }

    /// Sends a command, and returns the answer.
    pub fn command(&self, words: &[&str]) -> RedisResult<Value> {
        command(self.port, words)
    }

    /// Sends a command, and returns the parsed answer.
    ///
    /// # Panics
    /// If the command fails.
    pub fn query<T: FromRedisValue>(&self, words: &[&str]) -> T {
        redis::from_redis_value(self.command(words).unwrap()).unwrap()
    }

    /// Returns the memory that Redis uses, in bytes.
    pub fn memory(&self) -> usize {
        let info: String = self.query(&["INFO", "memory"]);
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:"));
        used.expect("used_memory").trim().parse().expect("a number")
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Sends a command to the Redis or Sentinel at this port.
pub(crate) fn command(port: u16, words: &[&str]) -> RedisResult<Value> {
    let mut connection = redis::Client::open(("127.0.0.1", port))?.get_connection()?;
    redis::cmd(words[0]).arg(&words[1..]).query(&mut connection)
}

/// Returns a section of `INFO`, or an empty text if the server does not answer.
pub(crate) fn info(port: u16, section: &str) -> String {
    let info = command(port, &["INFO", section]).ok();
    info.and_then(|info| redis::from_redis_value(info).ok()).unwrap_or_default()
}

/// Waits until a Redis or Sentinel that was just started is ready or has ended. Returns whether it
/// is ready.
pub(crate) fn wait_until_ready(port: u16, child: &mut Child) -> bool {
    // If another server has taken the port, that server answers.
    let process_id = format!("process_id:{}\r\n", child.id());
    wait_until_blocking("redis-server is ready or has ended", || {
        let has_ended = child.try_wait().unwrap().is_some();
        let info = info(port, "default");
        // Redis listens before it has read its file. The line feed excludes `async_loading:1`.
        let is_loading = info.contains("\nloading:1");
        let is_ready = info.contains(&process_id) && !is_loading;
        (has_ended || is_ready).then_some(!has_ended)
    })
}
