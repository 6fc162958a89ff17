//! `METRICS_ADDR`: a separate listener for operators, which clients of the main listener cannot
//! reach.

use std::net::TcpListener;

use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Client, Process, TempDir, program, temp_dir, wait_until};

const SERVICES: [&str; 2] = ["auth-service", "resource-service"];

/// A service with a separate listener for operators, and a client of each listener.
struct Service {
    process: Process,
    main: Client,
    ops: Client,
}

impl Service {
    fn start(name: &str, data: &TempDir, settings: &[(&str, &str)]) -> Self {
        let mut env = vec![
            ("DATA_DIR", data.path().to_str().unwrap()),
            ("ISSUER", "http://auth.example.com"),
            ("METRICS_ADDR", "127.0.0.1:0"),
        ];
        env.extend(settings);
        let process = Process::start(&program(name), 2, &env);
        let main = Client::new(process.addr(0));
        let ops = Client::new(process.addr(1));
        Self { process, main, ops }
    }
}

async fn status(client: &Client, path: &str) -> u16 {
    client.request(Method::GET, path).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn metrics_are_at_the_listener_for_operators_only() {
    for name in SERVICES {
        let data = temp_dir();
        let Service { process, main, ops } = Service::start(name, &data, &[]);
        let line = format!(
            "{name} listens on http://{} and, for operators, on http://{}",
            process.addr(0),
            process.addr(1)
        );
        process.wait_for_log(&line);
        // The client asserts that the OpenAPI document does not contain the paths.
        for path in ["/metrics", "/readyz"] {
            main.get(path, None).await.assert_problem(404, "not_found");
        }
        assert_eq!(main.get("/healthz", None).await.status, 200);

        let metrics = ops.request(Method::GET, "/metrics").send().await.unwrap();
        assert_eq!(metrics.status(), 200);
        let text = metrics.text().await.unwrap();
        let sample = r#"http_requests_total{method="GET",route="/healthz",status="200"} 1"#;
        assert!(text.lines().any(|line| line == sample), "{text}");
        assert_eq!(status(&ops, "/healthz").await, 200);
        // resource-service has no keys, because its issuer does not exist.
        let is_ready = name == "auth-service";
        let ready = if is_ready { 200 } else { 503 };
        wait_until("readiness is known", async || status(&ops, "/readyz").await == ready).await;
        let healthcheck = std::process::Command::new(program(name))
            .env_clear()
            .env("METRICS_ADDR", process.addr(1).to_string())
            .arg("healthcheck")
            .output()
            .unwrap();
        assert_eq!(healthcheck.status.success(), is_ready, "{healthcheck:?}");
        for path in ["/openapi.json", "/login", "/whoami", "/.well-known/jwks.json"] {
            assert_eq!(status(&ops, path).await, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn the_listener_for_operators_reports_the_shutdown_and_closes_last() {
    for name in SERVICES {
        let data = temp_dir();
        let Service { mut process, ops, .. } =
            Service::start(name, &data, &[("SHUTDOWN_DELAY", "2")]);
        process.send_sigterm();
        // The service may not have been ready before the signal either.
        let (status, ready) = wait_until("the shutdown is reported", async || {
            let answer = ops.request(Method::GET, "/readyz").send().await.unwrap();
            let status = answer.status();
            let ready: Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            if ready["service"] == "ending" { Ok((status, ready)) } else { Err(ready) }
        })
        .await;
        assert_eq!(status, 503);
        assert_eq!(ready["reasons"]["service"], json!("the service is shutting down"));
        assert_eq!(process.wait().code(), Some(0));
        assert!(ops.request(Method::GET, "/healthz").send().await.is_err());
    }
}

#[test]
fn a_port_in_use_is_reported_before_the_service_writes_anything() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let data = temp_dir();
    for service in SERVICES {
        let output = std::process::Command::new(program(service))
            .env_clear()
            .envs([("AUTH_ADDR", "127.0.0.1:0"), ("RESOURCE_ADDR", "127.0.0.1:0")])
            .env("METRICS_ADDR", &addr)
            .env("DATA_DIR", data.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let errors = String::from_utf8(output.stderr).unwrap();
        let line = format!("error: cannot listen on {addr} (METRICS_ADDR): ");
        assert!(errors.starts_with(&line) && errors.lines().count() == 1, "{errors}");
    }
    assert_eq!(std::fs::read_dir(data.path()).unwrap().count(), 0);
}
