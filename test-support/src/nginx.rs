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

    /// Starts nginx with these `location`s, which name `auth-service:8080` and `app:3000`, at the
    /// address for resource-service.
    pub fn with_locations(locations: &str, auth_service: SocketAddr, app: SocketAddr) -> Self {
        let server = format!("server {{\n listen 8081;\n{locations}\n}}\n");
        Self::with_server(&server, auth_service, app)
    }

    /// Starts nginx with the `server` of a guide, which names `auth-service:8080` and `app:3000` and
    /// listens on port 8081, at the address for resource-service.
    pub fn with_server(server: &str, auth_service: SocketAddr, app: SocketAddr) -> Self {
        assert!(server.contains("listen 8081;"), "{server}");
        let server = server
            .replace("auth-service:8080", &auth_service.to_string())
            .replace("app:3000", &app.to_string());
        Self::start_with(&|folder, ports| {
            let listen = format!("listen 127.0.0.1:{};", ports[1]);
            http_configuration(folder, &server.replace("listen 8081;", &listen))
        })
    }

    /// Starts nginx in front of a service, at the address for auth-service. nginx keeps idle
    /// connections to the service for this time.
    pub fn with_idle_connections(service: SocketAddr, kept_for: &str) -> Self {
        let options = format!("server {service}; keepalive 100; keepalive_timeout {kept_for};");
        Self::start_with(&|folder, ports| {
            http_configuration(
                folder,
                &format!(
                    r#"
    upstream service {{ {options} }}
    server {{
        listen 127.0.0.1:{};
        location / {{
            proxy_pass http://service;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
        }}
    }}
"#,
                    ports[0]
                ),
            )
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

/// Returns a configuration with these servers.
fn http_configuration(folder: &TempDir, servers: &str) -> String {
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
{servers}
}}
"#
    )
}

fn upstream(name: &str, replicas: &[SocketAddr]) -> String {
    let servers: String = replicas.iter().map(|addr| format!("server {addr};")).collect();
    format!("upstream {name} {{ {servers} }}\n")
}
