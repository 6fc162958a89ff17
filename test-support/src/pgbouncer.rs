//! PgBouncer, which gives each transaction of its clients any of its connections to PostgreSQL.

use std::{
    fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{postgres_server::give_to_postgres, setting, start_on_free_port, wait_until_blocking};

/// A running PgBouncer, which pools transactions over two connections for each database.
pub struct PgBouncer {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl PgBouncer {
    /// Starts PgBouncer in front of the PostgreSQL at this address. Any password is accepted.
    pub fn in_front_of(server: &str) -> Self {
        Self::start_with(server, "", &["auth_type = trust"])
    }

    /// Starts PgBouncer with this password of the user `postgres`, and these lines in its
    /// configuration.
    pub fn start_with(server: &str, password: &str, settings: &[&str]) -> Self {
        start_on_free_port("PgBouncer", |port| Self::start(server, port, password, settings))
    }

    fn start(server: &str, port: u16, password: &str, settings: &[&str]) -> Option<Self> {
        // Not in TMPDIR: the operating system's user of PostgreSQL must have access.
        let folder = tempfile::tempdir_in("/tmp").expect("a temporary folder");
        let path = folder.path().display();
        let (host, server_port) = server.rsplit_once(':').expect("a port");
        let settings = settings.join("\n");
        let users = format!("\"postgres\" \"{}\"\n", password.replace('"', "\"\""));
        fs::write(folder.path().join("users"), users).unwrap();
        let configuration = format!(
            "[databases]\n* = host={host} port={server_port}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_file = {path}/users\nserver_login_retry = 1\npidfile = {path}/pid\n\
             logfile = {path}/log\npool_mode = transaction\ndefault_pool_size = 2\n{settings}\n"
        );
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new(setting("TEST_PGBOUNCER"));
        if give_to_postgres(&path.to_string()) {
            // PgBouncer refuses to run as root.
            command.args(["-u", "postgres"]);
        }
        let child = command.arg(&file).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut child = child.expect("pgbouncer");
        let log = folder.path().join("log");
        let is_running = wait_until_blocking("PgBouncer listens or has ended", || {
            let has_ended = child.try_wait().unwrap().is_some();
            let listens = fs::read_to_string(&log).is_ok_and(|log| log.contains("process up"));
            (has_ended || listens).then_some(!has_ended)
        });
        is_running.then_some(Self { child, port, _folder: folder })
    }

    /// Returns the address.
    pub fn addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
