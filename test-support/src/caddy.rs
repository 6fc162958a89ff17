//! Caddy with a configuration of a guide.

use std::{
    fs,
    net::{SocketAddr, TcpStream},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{setting, start_on_free_port, temp_dir, wait_until_blocking};

/// A running Caddy.
pub struct Caddy {
    child: Child,
    addr: SocketAddr,
    _folder: TempDir,
}

impl Caddy {
    /// Starts Caddy with the directives of a guide, which name `auth-service:8080` and `app:3000`.
    pub fn with_directives(directives: &str, auth_service: SocketAddr, app: SocketAddr) -> Self {
        let directives = directives
            .replace("auth-service:8080", &auth_service.to_string())
            .replace("app:3000", &app.to_string());
        start_on_free_port("Caddy", |port| Self::start(&directives, port))
    }

    fn start(directives: &str, port: u16) -> Option<Self> {
        let folder = temp_dir();
        let addr = SocketAddr::from(([127, 0, 0, 1], port));
        let file = folder.path().join("Caddyfile");
        let options = "{\nadmin off\nauto_https off\nlog {\nlevel ERROR\n}\n}\n";
        fs::write(&file, format!("{options}http://{addr} {{\n{directives}\n}}\n")).unwrap();
        let mut child = Command::new(setting("TEST_CADDY"))
            .args(["run", "--adapter", "caddyfile", "--config"])
            .arg(file)
            .env_clear()
            .env("HOME", folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("caddy");
        let is_running = wait_until_blocking("Caddy listens or has ended", || {
            let has_ended = child.try_wait().unwrap().is_some();
            (has_ended || TcpStream::connect(addr).is_ok()).then_some(!has_ended)
        });
        is_running.then_some(Self { child, addr, _folder: folder })
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }
}

impl Drop for Caddy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
