//! nginx with the configuration of `deploy/proxy`, which `docker-compose.yml` runs.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use crate::{send_signal, setting, temp_dir, wait_until_blocking};

const CONFIGURATION: &str = include_str!("../../deploy/proxy/nginx.conf");

/// A running nginx.
pub struct Nginx {
    child: Child,
    /// Ports for auth-service, for resource-service, and the two that nginx uses internally.
    ports: [u16; 4],
    folder: TempDir,
}

impl Nginx {
    /// Starts nginx in front of services at these addresses.
    pub fn in_front_of(auth_service: SocketAddr, resource_service: SocketAddr) -> Self {
        Self::in_front_of_replicas(&[auth_service], &[resource_service])
    }

    /// Starts nginx in front of several replicas of each service.
    pub fn in_front_of_replicas(
        auth_services: &[SocketAddr],
        resource_services: &[SocketAddr],
    ) -> Self {
        Self::start_with(&|folder, ports| {
            configuration(folder, ports, auth_services, resource_services)
        })
    }

    /// Starts nginx with the `location`s of a guide at the address for resource-service. The service
    /// behind it, `http://app:3000` in the guide, greets the user that nginx names.
    pub fn with_locations(locations: &str, auth_service: SocketAddr) -> Self {
        Self::start_with(&|folder, ports| {
            guide_configuration(folder, ports, locations, auth_service)
        })
    }

    fn start_with(configure: &dyn Fn(&TempDir, &[u16; 4]) -> String) -> Self {
        // Another process can take a free port before nginx does.
        (0..10).find_map(|_| Self::start(configure)).expect("a running nginx")
    }

    fn start(configure: &dyn Fn(&TempDir, &[u16; 4]) -> String) -> Option<Self> {
        let folder = temp_dir();
        let listeners = [(); 4].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port());
        let file = folder.path().join("nginx.conf");
        fs::write(&file, configure(&folder, &ports)).unwrap();
        drop(listeners);
        // Workers of another user could not read the folder.
        let mut child = Command::new(setting("TEST_NGINX"))
            .args(["-e", "stderr", "-g", "daemon off; user root;", "-p"])
            .arg(folder.path())
            .arg("-c")
            .arg(file)
            .stdout(Stdio::null())
            .spawn()
            .expect("nginx");
        // nginx writes this file once it listens.
        let pid_file = folder.path().join("nginx.pid");
        let is_running = wait_until_blocking("nginx listens or has ended", || {
            let has_ended = child.try_wait().unwrap().is_some();
            (has_ended || pid_file.exists()).then_some(!has_ended)
        });
        is_running.then_some(Self { child, ports, folder })
    }

    /// Sends new requests to these replicas only. Requests in progress stay where they are.
    pub fn reload(&self, auth_services: &[SocketAddr], resource_services: &[SocketAddr]) {
        let text = configuration(&self.folder, &self.ports, auth_services, resource_services);
        fs::write(self.folder.path().join("nginx.conf"), text).unwrap();
        send_signal("-HUP", self.child.id());
    }

    /// Returns the address that forwards to auth-service.
    pub fn auth_addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.ports[0]).into()
    }

    /// Returns the address that forwards to resource-service.
    pub fn resource_addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.ports[1]).into()
    }

    /// Returns the URL of a path at the address that forwards to resource-service.
    pub fn resource_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.ports[1])
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // SIGTERM: with SIGKILL the workers would keep running.
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

/// Returns the deployed configuration with this test's folder, ports and replicas.
fn configuration(
    folder: &TempDir,
    ports: &[u16; 4],
    auth_services: &[SocketAddr],
    resource_services: &[SocketAddr],
) -> String {
    let upstreams = upstream("auth-services", auth_services)
        + &upstream("resource-services", resource_services);
    let mut configuration = CONFIGURATION.to_owned();
    for (deployed, test) in [
        ("/tmp/", format!("{}/", folder.path().display())),
        ("http://auth-service:8080", "http://auth-services".into()),
        ("http://resource-service:8081", "http://resource-services".into()),
        ("    server_tokens off;", format!("    server_tokens off;\n{upstreams}")),
        ("listen 8080;", format!("listen 127.0.0.1:{};", ports[0])),
        ("listen 8081;", format!("listen 127.0.0.1:{};", ports[1])),
        ("127.0.0.1:8082", format!("127.0.0.1:{}", ports[2])),
        ("127.0.0.1:8083", format!("127.0.0.1:{}", ports[3])),
    ] {
        assert!(configuration.contains(deployed), "{deployed} is not in the configuration");
        configuration = configuration.replace(deployed, &test);
    }
    configuration
}

/// Returns a configuration with these locations, and a service behind them.
fn guide_configuration(
    folder: &TempDir,
    ports: &[u16; 4],
    locations: &str,
    auth_service: SocketAddr,
) -> String {
    let app = format!("127.0.0.1:{}", ports[2]);
    let locations =
        locations.replace("auth-service:8080", &auth_service.to_string()).replace("app:3000", &app);
    let folder = folder.path().display();
    let temp_paths: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("    {name}_temp_path {folder}/{name};\n"))
        .concat();
    format!(
        r#"
pid {folder}/nginx.pid;
error_log /dev/stderr alert;
events {{}}
http {{
    access_log off;
{temp_paths}
    server {{
        listen 127.0.0.1:{};
{locations}
    }}
    server {{
        listen {app};
        return 200 "hello, $http_x_auth_user\n";
    }}
}}
"#,
        ports[1]
    )
}

fn upstream(name: &str, replicas: &[SocketAddr]) -> String {
    let servers: String = replicas.iter().map(|addr| format!("server {addr};")).collect();
    format!("upstream {name} {{ {servers} }}\n")
}
