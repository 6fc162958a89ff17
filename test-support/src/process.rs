//! A service that runs as a separate process. Tests can kill the process and read its log.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use crate::{send_signal, wait_until_blocking};

/// A running service.
pub struct Process {
    child: Child,
    addrs: Vec<SocketAddr>,
    output: Arc<Mutex<Output>>,
}

/// Output of a process so far.
#[derive(Default)]
struct Output {
    log: String,
    /// The addresses in the lines "... listens on ...".
    addrs: Vec<SocketAddr>,
}

impl Process {
    /// Starts a program with this environment only, and waits until it listens on this many
    /// addresses.
    pub fn start(program: &str, listeners: usize, env: &[(&str, &str)]) -> Self {
        Self::start_with_args(program, &[], listeners, env)
    }

    /// Starts a program like [`Process::start`], with these arguments.
    pub fn start_with_args(
        program: &str,
        args: &[&str],
        listeners: usize,
        env: &[(&str, &str)],
    ) -> Self {
        let mut child = Command::new(program)
            .args(args)
            .env_clear()
            .env("RUST_LOG", "debug")
            .env("AUTH_ADDR", "127.0.0.1:0")
            .env("RESOURCE_ADDR", "127.0.0.1:0")
            .env("APP_ADDR", "127.0.0.1:0")
            .envs(env.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect(program);
        let output = Arc::<Mutex<Output>>::default();
        collect(child.stdout.take().unwrap(), Arc::clone(&output));
        collect(child.stderr.take().unwrap(), Arc::clone(&output));
        let what = format!("{program} listens on {listeners} addresses");
        let addrs = wait_until_blocking(what, || {
            let has_ended = child.try_wait().unwrap().is_some();
            let output = output.lock().unwrap();
            if output.addrs.len() >= listeners {
                return Ok(output.addrs.clone());
            }
            assert!(!has_ended, "{program} has ended:\n{}", output.log);
            Err(output.log.clone())
        });
        Self { child, addrs, output }
    }

    /// Returns an address that the process listens on, in the order of the log lines.
    pub fn addr(&self, number: usize) -> SocketAddr {
        self.addrs[number]
    }

    /// Returns the process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns the output so far.
    pub fn log(&self) -> String {
        self.output.lock().unwrap().log.clone()
    }

    /// Waits until the output contains a text, and returns the output. A line takes a moment to
    /// arrive.
    #[track_caller]
    pub fn wait_for_log(&self, text: &str) -> String {
        wait_until_blocking(format!("the log contains {text:?}"), || {
            let log = self.log();
            if log.contains(text) { Ok(log) } else { Err(log) }
        })
    }

    /// Returns the resident memory in bytes.
    pub fn memory(&self) -> usize {
        let file = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(&file).expect(&file);
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS");
        line.trim().trim_end_matches(" kB").parse::<usize>().expect("a number") * 1024
    }

    /// Kills the process, as a power cut would (SIGKILL).
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Tells the process to shut down (SIGTERM).
    pub fn send_sigterm(&self) {
        send_signal("-TERM", self.child.id());
    }

    /// Tells the process to read its files again (SIGHUP).
    pub fn send_sighup(&self) {
        send_signal("-HUP", self.child.id());
    }

    /// Tells the process to shut down (SIGTERM), and waits until it has ended.
    pub fn terminate(&mut self) -> ExitStatus {
        self.send_sigterm();
        self.wait()
    }

    /// Pauses the process (SIGSTOP): it keeps its connections, and does nothing.
    pub fn pause(&self) {
        send_signal("-STOP", self.child.id());
    }

    /// Lets the paused process continue (SIGCONT).
    pub fn unpause(&self) {
        send_signal("-CONT", self.child.id());
    }

    /// Waits until the process has ended, and returns its status.
    ///
    /// # Panics
    /// If the process runs for another minute.
    #[track_caller]
    pub fn wait_for_end(&mut self) -> ExitStatus {
        let Self { child, output, .. } = self;
        wait_until_blocking("the process has ended", || {
            let status = child.try_wait().unwrap();
            status.ok_or_else(|| output.lock().unwrap().log.clone())
        })
    }

    /// Waits until the process has ended.
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

fn collect(from: impl Read + Send + 'static, output: Arc<Mutex<Output>>) {
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let mut output = output.lock().unwrap();
            output.log.push_str(&line);
            output.log.push('\n');
            output.addrs.extend(listening_addrs(&line));
        }
    });
}

/// Returns the addresses that a log line names: one, or two if metrics have a separate address.
fn listening_addrs(line: &str) -> Vec<SocketAddr> {
    let addrs = line.split_once("listens on ").map_or("", |(_, addrs)| addrs);
    let addr = |text: &str| {
        // In a line of JSON a quotation mark follows.
        let end = text.find(['"', ' ']).unwrap_or(text.len());
        text[..end].parse().unwrap()
    };
    addrs.split("http://").skip(1).map(addr).collect()
}

/// Returns the path of a program of another package. A run of the whole workspace's tests builds
/// all programs next to the tests.
pub fn program(name: &str) -> String {
    let test = std::env::current_exe().expect("a path");
    let folder = test.parent().and_then(|folder| folder.parent()).expect("a target folder");
    let path = folder.join(name).display().to_string();
    assert!(folder.join(name).exists(), "no {path}: run the tests of the whole workspace");
    path
}
