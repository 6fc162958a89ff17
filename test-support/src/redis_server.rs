//! A Redis of a test's own, to be stopped or wiped.

use std::{
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use redis::{FromRedisValue, RedisResult, Value};
use tempfile::TempDir;

use crate::{free_port, setting, temp_dir};

/// A running redis-server. It keeps its port when it is stopped and started again.
pub struct RedisServer {
    port: u16,
    args: Vec<String>,
    folder: TempDir,
    child: Option<Child>,
}

impl RedisServer {
    /// Starts one, with an append-only file.
    pub fn start() -> Self {
        Self::start_with(&["--appendonly", "yes"])
    }

    /// Starts one that keeps only what `SAVE` is told to: after a restart it is as it was then, and empty if that was
    /// never.
    pub fn start_with_snapshots() -> Self {
        Self::start_with(&[])
    }

    /// Starts one with these options. Snapshots are written when told to, and there is no append-only file, unless they say
    /// otherwise.
    pub fn start_with(args: &[&str]) -> Self {
        let start = || {
            let args = args.iter().map(|&arg| arg.to_owned()).collect();
            let mut server = Self { port: free_port(), args, folder: temp_dir(), child: None };
            server.launch().then_some(server)
        };
        // Somebody else may take a free port before redis-server does.
        (0..10).find_map(|_| start()).expect("a running redis-server")
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its address.
    pub fn addr(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("redis://{}/", self.addr())
    }

    /// Kills it.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again, with what it had on its disk.
    pub fn resume(&mut self) {
        assert!(self.launch(), "redis-server does not start");
    }

    /// Says whether it runs.
    fn launch(&mut self) -> bool {
        let child = Command::new(setting("TEST_REDIS_SERVER"))
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--save", "", "--dir"])
            .arg(self.folder.path())
            .args(&self.args)
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server");
        // Another server may have the port. It answers, too.
        let ours = format!("process_id:{}\r\n", child.id());
        let child = self.child.insert(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            // It listens before it has read its file. Another line says `async_loading:0` meanwhile.
            let info = command(self.port, &["INFO"]).ok();
            let info = info.and_then(|info| redis::from_redis_value::<String>(info).ok());
            if info.is_some_and(|info| info.contains(&ours) && info.contains("\nloading:0")) {
                return true;
            }
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
    pub fn command(&self, words: &[&str]) -> RedisResult<Value> {
        command(self.port, words)
    }

    /// Sends a command, and reads the answer.
    pub fn query<T: FromRedisValue>(&self, words: &[&str]) -> T {
        redis::from_redis_value(self.command(words).unwrap()).unwrap()
    }

    /// How much memory it uses, in bytes.
    pub fn memory(&self) -> usize {
        let info: String = self.query(&["INFO", "memory"]);
        let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).expect("used_memory");
        used.trim().parse().expect("a number")
    }
}

pub(crate) fn command(port: u16, words: &[&str]) -> RedisResult<Value> {
    let mut connection = redis::Client::open(("127.0.0.1", port))?.get_connection()?;
    redis::cmd(words[0]).arg(&words[1..]).query(&mut connection)
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}
