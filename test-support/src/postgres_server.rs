//! A PostgreSQL of a test's own, to be stopped.

use std::{
    net::TcpListener,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{setting, temp_dir};

/// A running PostgreSQL. It keeps its port when it is stopped and started again.
pub struct PostgresServer {
    port: u16,
    folder: TempDir,
}

impl PostgresServer {
    /// Starts one on a free port.
    pub fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let server = Self { port, folder: temp_dir() };
        if is_root() {
            let done = Command::new("chown").arg("postgres:").arg(server.folder.path()).status().unwrap();
            assert!(done.success());
        }
        let data = server.data();
        server.run("initdb", &["-D", &data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"]);
        server.resume();
        server
    }

    /// The URL of its one database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it as a crash would.
    pub fn stop(&self) {
        self.run("pg_ctl", &["-D", &self.data(), "-m", "immediate", "-w", "stop"]);
    }

    /// Starts it, or starts it again with all that it had committed.
    pub fn resume(&self) {
        let (data, log) = (self.data(), format!("{}/log", self.folder.path().display()));
        // What was committed outlives it: only the machine's own crash is not provided for (fsync).
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -k {} -c fsync=off",
            self.port,
            self.folder.path().display()
        );
        self.run("pg_ctl", &["-D", &data, "-l", &log, "-o", &options, "-w", "start"]);
    }

    fn data(&self) -> String {
        format!("{}/data", self.folder.path().display())
    }

    /// Runs one of its programs, not as root, which it refuses.
    fn run(&self, program: &str, args: &[&str]) {
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
        assert!(command.status().unwrap().success(), "{program} {args:?}");
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // It may have been stopped.
        let data = self.data();
        if std::path::Path::new(&format!("{data}/postmaster.pid")).exists() {
            self.run("pg_ctl", &["-D", &data, "-m", "immediate", "stop"]);
        }
    }
}
