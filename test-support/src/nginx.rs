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
    folder: TempDir,
}

impl Nginx {
    /// Starts one in front of services at these addresses.
    pub fn before(auth_service: SocketAddr, resource_service: SocketAddr) -> Self {
        Self::before_all(&[auth_service], &[resource_service])
    }

    /// Starts one in front of several replicas of each.
    pub fn before_all(auth_services: &[SocketAddr], resource_services: &[SocketAddr]) -> Self {
        // Somebody else may take a free port before nginx does.
        (0..10).find_map(|_| Self::start(auth_services, resource_services)).expect("a running nginx")
    }

    fn start(auth_services: &[SocketAddr], resource_services: &[SocketAddr]) -> Option<Self> {
        let folder = temp_dir();
        let free = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = free.each_ref().map(|listener| listener.local_addr().unwrap().port());
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configuration(&folder, &ports, auth_services, resource_services)).unwrap();
        drop(free);
        // As the user who runs the tests, or it could not read its folder.
        let mut child = Command::new(setting("TEST_NGINX"))
            .args(["-e", "stderr", "-g", "daemon off; user root;", "-p"])
            .arg(folder.path())
            .arg("-c")
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
        Some(Self { child, ports, folder })
    }

    /// Spreads what comes from now on over these replicas alone. What has begun goes on where it is.
    pub fn reload(&self, auth_services: &[SocketAddr], resource_services: &[SocketAddr]) {
        let text = configuration(&self.folder, &self.ports, auth_services, resource_services);
        fs::write(self.folder.path().join("nginx.conf"), text).unwrap();
        let done = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    /// The address that leads to auth-service.
    pub fn auth_addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.ports[0]).into()
    }

    /// The address that leads to resource-service.
    pub fn resource_addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.ports[1]).into()
    }

    /// A URL on resource-service's port.
    pub fn resource_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[1])
    }
}

fn configuration(folder: &TempDir, ports: &[u16; 4], auth: &[SocketAddr], resource: &[SocketAddr]) -> String {
    let mut configuration = CONFIGURATION.to_owned();
    let group = |name: &str, addrs: &[SocketAddr]| {
        let servers: String = addrs.iter().map(|addr| format!("server {addr};")).collect();
        format!("upstream {name} {{ {servers} }}\n")
    };
    let groups = group("auth-services", auth) + &group("resource-services", resource);
    for (theirs, ours) in [
        ("/tmp/", format!("{}/", folder.path().display())),
        ("http://auth-service:8080", "http://auth-services".into()),
        ("http://resource-service:8081", "http://resource-services".into()),
        ("    server_tokens off;", format!("    server_tokens off;\n{groups}")),
        ("listen 8080;", format!("listen 127.0.0.1:{};", ports[0])),
        ("listen 8081;", format!("listen 127.0.0.1:{};", ports[1])),
        ("127.0.0.1:8082", format!("127.0.0.1:{}", ports[2])),
        ("127.0.0.1:8083", format!("127.0.0.1:{}", ports[3])),
    ] {
        assert!(configuration.contains(theirs), "{theirs} is not in the configuration");
        configuration = configuration.replace(theirs, &ours);
    }
    configuration
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Told rather than killed: its workers would outlive it.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}
