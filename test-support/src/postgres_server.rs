//! A PostgreSQL server for one test, which the test can stop.

use std::{
    fs,
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{Certificates, setting, sql, start_on_free_port};

/// A running PostgreSQL. It keeps its port when it is stopped and restarted.
pub struct PostgresServer {
    port: u16,
    cluster: Cluster,
}

impl PostgresServer {
    /// Starts a server.
    pub fn start() -> Self {
        let cluster = Cluster::new();
        let is_created = cluster.run(
            "initdb",
            &["-D", &cluster.data(), "-U", "postgres", "-A", "trust", "-E", "UTF8", "-N"],
        );
        assert!(is_created, "initdb");
        Self::start_cluster(cluster)
    }

    /// Starts a server with these lines in its configuration.
    pub fn start_with(settings: &[&str]) -> Self {
        let server = Self::start();
        server.stop();
        server.cluster.configure(&settings.join("\n"));
        server.restart();
        server
    }

    /// Starts a server that accepts encrypted connections only.
    pub fn start_with_tls(certificates: &Certificates) -> Self {
        let server = Self::start();
        server.stop();
        let data = server.cluster.folder.path().join("data");
        certificates.copy_to(&data);
        give_to_postgres(&data.join("server.key").display().to_string());
        server
            .cluster
            .configure("ssl = on\nssl_cert_file = 'server.pem'\nssl_key_file = 'server.key'");
        fs::write(data.join("pg_hba.conf"), "hostssl all all 127.0.0.1/32 trust\n").unwrap();
        server.restart();
        server
    }

    /// Starts a synchronous standby of this server. From now on, this server commits only what the
    /// standby has received.
    pub fn replica(&self) -> Self {
        let cluster = Cluster::new();
        let args = ["-D", &cluster.data(), "-R", "-d", &self.url()];
        assert!(cluster.run("pg_basebackup", &args), "pg_basebackup");
        let replica = Self::start_cluster(cluster);
        sql(&self.url(), "ALTER SYSTEM SET synchronous_standby_names = '*'");
        sql(&self.url(), "SELECT pg_reload_conf()");
        replica
    }

    /// Promotes a standby to the primary.
    pub fn promote(&self) {
        assert!(self.cluster.pg_ctl(&["-w", "promote"]), "pg_ctl promote");
    }

    fn start_cluster(cluster: Cluster) -> Self {
        let start = |port| cluster.start(port).then_some(port);
        let port = start_on_free_port("PostgreSQL", start);
        Self { port, cluster }
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns the URL of the server's database.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops the server, as a crash would.
    pub fn stop(&self) {
        assert!(self.cluster.stop());
    }

    /// Starts the stopped server again, with all committed data.
    pub fn restart(&self) {
        assert!(self.cluster.start(self.port), "PostgreSQL does not start");
    }

    /// Returns the lines of the server's logs in JSON.
    pub fn log_lines(&self) -> Vec<String> {
        let folder = fs::read_dir(self.cluster.folder.path().join("data/log")).expect("a log");
        let mut files: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        let texts = files.into_iter().map(|file| fs::read_to_string(file).unwrap());
        texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let is_running = self.cluster.folder.path().join("data/postmaster.pid").exists();
        if is_running {
            self.cluster.stop();
        }
    }
}

/// The folder of a server's data, and PostgreSQL's programs for it.
struct Cluster {
    folder: TempDir,
}

impl Cluster {
    fn new() -> Self {
        // Not in TMPDIR: the operating system's user of PostgreSQL must have access.
        let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder");
        give_to_postgres(&folder.path().display().to_string());
        Self { folder }
    }

    fn data(&self) -> String {
        format!("{}/data", self.folder.path().display())
    }

    fn configure(&self, settings: &str) {
        let file = self.folder.path().join("data/postgresql.auto.conf");
        fs::write(file, format!("{settings}\n")).unwrap();
    }

    /// Starts the server. Returns whether the server runs.
    fn start(&self, port: u16) -> bool {
        let log = format!("{}/log", self.folder.path().display());
        // Without fsync, committed data survives a crash of the process, which is enough here.
        let options = format!(
            "-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        );
        self.pg_ctl(&["-l", &log, "-o", &options, "-w", "start"])
    }

    /// Stops the server, as a crash would. Returns whether that succeeded.
    fn stop(&self) -> bool {
        self.pg_ctl(&["-m", "immediate", "-w", "stop"])
    }

    fn pg_ctl(&self, args: &[&str]) -> bool {
        self.run("pg_ctl", &[&["-D", &self.data()], args].concat())
    }

    /// Runs a program of PostgreSQL, as another user if the test runs as root, which PostgreSQL
    /// refuses. Returns whether the program succeeded.
    fn run(&self, program: &str, args: &[&str]) -> bool {
        let program = format!("{}/{program}", setting("TEST_PG_BIN"));
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--", &program]);
            command
        } else {
            Command::new(&program)
        };
        // Not piped: the server would inherit the pipe and keep it open.
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let status = command.args(args).current_dir(self.folder.path()).status();
        status.expect("PostgreSQL's programs").success()
    }
}

/// Gives a file or folder to the operating system's user of PostgreSQL, if this process runs as
/// root. Returns whether it does.
pub(crate) fn give_to_postgres(path: &str) -> bool {
    let is_root = is_root();
    if is_root {
        assert!(Command::new("chown").args(["postgres:", path]).status().unwrap().success());
    }
    is_root
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output().unwrap();
    id.stdout.trim_ascii() == b"0"
}
