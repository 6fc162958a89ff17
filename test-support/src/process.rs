//! A service as a process of its own, to be killed, and whose log can be read.

use std::{
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

/// A running service.
pub struct Process {
    child: Child,
    addrs: Vec<SocketAddr>,
    log: Arc<Mutex<String>>,
}

impl Process {
    /// Starts `program` with no environment but this, and waits until it listens on `listeners` addresses.
    pub fn start(program: &str, listeners: usize, env: &[(&str, &str)]) -> Self {
        Self::start_with_args(program, &[], listeners, env)
    }

    /// The same with these arguments.
    pub fn start_with_args(program: &str, args: &[&str], listeners: usize, env: &[(&str, &str)]) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .env("RUST_LOG", "debug")
            .env("AUTH_ADDR", "127.0.0.1:0")
            .env("RESOURCE_ADDR", "127.0.0.1:0")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect(program);
        let log = Arc::new(Mutex::new(String::new()));
        let (found, addrs) = mpsc::channel();
        collect(child.stdout.take().unwrap(), Arc::clone(&log), found.clone());
        collect(child.stderr.take().unwrap(), Arc::clone(&log), found);
        let addrs = (0..listeners)
            .map(|_| {
                addrs
                    .recv_timeout(Duration::from_secs(30))
                    .unwrap_or_else(|_| panic!("{}", log.lock().unwrap()))
            })
            .collect();
        Self { child, addrs, log }
    }

    /// Where it listens, in the order in which it began to.
    pub fn addr(&self, number: usize) -> SocketAddr {
        self.addrs[number]
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has printed so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// All that it has printed, once this is part of it: what it prints takes a moment to arrive.
    pub fn log_with(&self, text: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let log = self.log();
            if log.contains(text) {
                return log;
            }
            assert!(Instant::now() < deadline, "{text} is not in the log:\n{log}");
            thread::yield_now();
        }
    }

    /// How much memory it has, in bytes.
    pub fn memory(&self) -> usize {
        let file = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&file).expect(&file);
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    }

    /// Ends it as a power cut would (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end (SIGTERM).
    pub fn tell_to_end(&self) {
        Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
    }

    /// Asks it to read its files again (SIGHUP).
    pub fn hang_up(&self) {
        Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap();
    }

    /// Asks it to end (SIGTERM), and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        self.tell_to_end();
        self.wait()
    }

    /// Waits until it has ended.
    pub fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(
    from: impl std::io::Read + Send + 'static,
    log: Arc<Mutex<String>>,
    found: mpsc::Sender<SocketAddr>,
) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if let Some((_, addrs)) = line.split_once("listens on ") {
                // One, or another for metrics alone. In a line of JSON a quote follows.
                for addr in addrs.split("http://").skip(1) {
                    let end = addr.find(['"', ' ']).unwrap_or(addr.len());
                    let _ = found.send(addr[..end].parse().unwrap());
                }
            }
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}

/// The path of another package's program, which a run of the whole workspace's tests has built beside the tests.
pub fn program(name: &str) -> String {
    let tests = std::env::current_exe().expect("a path");
    let built = tests.parent().and_then(|folder| folder.parent()).expect("a target folder").join(name);
    assert!(built.exists(), "{} is not there: run the tests of the whole workspace", built.display());
    built.display().to_string()
}
