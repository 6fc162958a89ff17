//! A PostgreSQL of a test's own, to be stopped.

use std::{
    fs,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{Certificates, free_port, setting, sql};

/// A running PostgreSQL. It keeps its port when it is stopped and started again.
pub struct PostgresServer {
    port: u16,
    folder: TempDir,
}

impl PostgresServer {
    /// Starts one.
    pub fn start() -> Self {
        let server = Self::empty();
        assert!(
            server
                .run("initdb", &["-D", &server.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"]),
            "initdb"
        );
        server.started()
    }

    /// Starts one with these lines in its configuration.
    pub fn start_with(settings: &[&str]) -> Self {
        let server = Self::start();
        server.stop();
        server.configure(&settings.join("\n"));
        server.resume();
        server
    }

    /// The lines of its logs in JSON.
    pub fn log_lines(&self) -> Vec<String> {
        let folder = fs::read_dir(self.folder.path().join("data/log")).expect("a log");
        let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        let text = |file| fs::read_to_string(file).unwrap();
        files.into_iter().flat_map(|file| text(file).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    fn configure(&self, settings: &str) {
        fs::write(self.folder.path().join("data/postgresql.auto.conf"), settings.to_owned() + "\n").unwrap();
    }

    /// Starts one that answers only to encrypted connections.
    pub fn start_tls(certificates: &Certificates) -> Self {
        let server = Self::start();
        server.stop();
        let data = server.folder.path().join("data");
        certificates.copy_to(&data);
        server.give_to_postgres(&data.join("server.key").display().to_string());
        server.configure("ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'");
        fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n").unwrap();
        server.resume();
        server
    }

    /// Starts one that follows this one, which from now on commits nothing that the other has not.
    pub fn replica(&self) -> Self {
        let replica = Self::empty();
        let copied = replica.run("pg_basebackup", &["-D", &replica.data(), "-R", "-d", &self.url()]);
        assert!(copied, "pg_basebackup");
        let replica = replica.started();
        sql(&self.url(), "ALTER SYSTEM SET synchronous_standby_names = '*'");
        sql(&self.url(), "SELECT pg_reload_conf()");
        replica
    }

    /// Makes it the primary.
    pub fn promote(&self) {
        let promoted = self.run("pg_ctl", &["-D", &self.data(), "-w", "promote"]);
        assert!(promoted, "pg_ctl promote");
    }

    fn empty() -> Self {
        // Whatever TMPDIR says: the user that PostgreSQL runs as has to be able to get in.
        let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder");
        let server = Self { port: 0, folder };
        server.give_to_postgres(&server.folder.path().display().to_string());
        server
    }

    fn started(mut self) -> Self {
        // Somebody else may take a free port before PostgreSQL does.
        let started = (0..10).any(|_| {
            self.port = free_port();
            self.launch()
        });
        assert!(started, "PostgreSQL does not start");
        self
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
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

    fn give_to_postgres(&self, path: &str) {
        if is_root() {
            assert!(Command::new("chown").args(["postgres:", path]).status().unwrap().success());
        }
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
