//! A PostgreSQL of a test's own, to be stopped.

use std::process::{Command, Stdio};

use tempfile::TempDir;

use crate::{free_port, setting};

/// A running PostgreSQL. It keeps its port when it is stopped and started again.
pub struct PostgresServer {
    port: u16,
    folder: TempDir,
}

impl PostgresServer {
    /// Starts one.
    pub fn start() -> Self {
        // Whatever TMPDIR says: the user that PostgreSQL runs as has to be able to get in.
        let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder");
        if is_root() {
            let done = Command::new("chown").arg("postgres:").arg(folder.path()).status().unwrap();
            assert!(done.success());
        }
        let mut server = Self { port: 0, folder };
        let data = server.data();
        let made = server.run("initdb", &["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"]);
        assert!(made, "initdb");
        // Somebody else may take a free port before PostgreSQL does.
        let started = (0..10).any(|_| {
            server.port = free_port();
            server.launch()
        });
        assert!(started, "PostgreSQL does not start");
        server
    }

    /// The URL of its one database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it as a crash would.
    pub fn stop(&self) {
        assert!(self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]));
    }

    /// Starts it again, with all that it had committed.
    pub fn resume(&self) {
        assert!(self.launch(), "PostgreSQL does not start");
    }

    /// Says whether it runs.
    fn launch(&self) -> bool {
        let (data, log) = (self.data(), format!("{}/log", self.folder.path().display()));
        // Without fsync, what was committed does not outlive the machine. It does outlive the process.
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off",
            self.port
        );
        self.run("pg_ctl", &["-D", &data, "-l", &log, "-o", &options, "-w", "start"])
    }

    fn data(&self) -> String {
        format!("{}/data", self.folder.path().display())
    }

    /// Runs one of its programs, not as root, which it refuses. Says whether it succeeds.
    fn run(&self, program: &str, args: &[&str]) -> bool {
        let program = format!("{}/{program}", setting("TEST_PG_BIN"));
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", &program]);
            command
        } else {
            Command::new(&program)
        };
        // Not piped: what it starts would keep the pipe open.
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command.status().expect("PostgreSQL's programs").success()
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // It may have been stopped.
        if self.folder.path().join("data/postmaster.pid").exists() {
            self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
        }
    }
}
