//! The proxy of `docker-compose.yml`, with its own configuration.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::{setting, temp_dir};

const CONFIGURATION: &str = include_str!("../../deploy/proxy/nginx.conf");

/// A running nginx.
pub struct Nginx {
    child: Child,
    ports: [u16; 4],
    _folder: TempDir,
}

impl Nginx {
    /// Starts one in front of services at these addresses.
    pub fn before(auth_service: SocketAddr, resource_service: SocketAddr) -> Self {
        // Somebody else may take a free port before nginx does.
        (0..10).find_map(|_| Self::start(auth_service, resource_service)).expect("a running nginx")
    }

    fn start(auth_service: SocketAddr, resource_service: SocketAddr) -> Option<Self> {
        let folder = temp_dir();
        let root = folder.path().display().to_string();
        let free = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = free.each_ref().map(|listener| listener.local_addr().unwrap().port());
        let mut configuration = CONFIGURATION.to_owned();
        for (theirs, ours) in [
            ("/tmp/", format!("{root}/")),
            ("http://auth-service:8080", format!("http://{auth_service}")),
            ("http://resource-service:8081", format!("http://{resource_service}")),
            ("listen 8080;", format!("listen 127.0.0.1:{};", ports[0])),
            ("listen 8081;", format!("listen 127.0.0.1:{};", ports[1])),
            ("127.0.0.1:8082", format!("127.0.0.1:{}", ports[2])),
            ("127.0.0.1:8083", format!("127.0.0.1:{}", ports[3])),
        ] {
            assert!(configuration.contains(theirs), "{theirs} is not in the configuration");
            configuration = configuration.replace(theirs, &ours);
        }
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration).unwrap();
        drop(free);
        // One process, so that there are no others to outlive it.
        let mut child = Command::new(setting("TEST_NGINX"))
            .args(["-e", "stderr", "-g", "daemon off; master_process off;", "-p", &root, "-c"])
            .arg(file)
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx");
        let deadline = Instant::now() + Duration::from_secs(20);
        // Written once it listens.
        while !folder.path().join("nginx.pid").exists() {
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            assert!(Instant::now() < deadline, "nginx does not listen");
            thread::sleep(Duration::from_millis(10));
        }
        Some(Self { child, ports, _folder: folder })
    }

    /// A URL on resource-service's port.
    pub fn resource_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[1])
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
