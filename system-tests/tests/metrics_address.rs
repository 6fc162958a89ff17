//! `METRICS_ADDR`: another address for those who run a service, which the main one's clients do not see.

use std::net::TcpListener;

use reqwest::Method;
use test_support::{Client, Process, TempDir, program, temp_dir};

const SERVICES: [&str; 2] = ["auth-service", "resource-service"];

/// A service that shows its metrics at an address of its own: a client of each.
fn start(service: &str, data: &TempDir, settings: &[(&str, &str)]) -> (Process, Client, Client) {
    let mut env = vec![("DATA_DIR", data.path().to_str().unwrap()), ("ISSUER", "http://auth.example.com")];
    env.push(("METRICS_ADDR", "127.0.0.1:0"));
    env.extend(settings);
    let process = Process::start(&program(service), 2, &env);
    let (main, aside) = (Client::new(process.addr(0)), Client::new(process.addr(1)));
    (process, main, aside)
}

async fn status(client: &Client, path: &str) -> u16 {
    client.request(Method::GET, path).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn metrics_are_at_their_own_address_and_not_at_the_main_one() {
    for service in SERVICES {
        let data = temp_dir();
        let (process, main, aside) = start(service, &data, &[]);
        let line = format!(
            "{service} listens on http://{} and, for operators, on http://{}",
            process.addr(0),
            process.addr(1)
        );
        process.log_with(&line);
        // The document does not have it either: the client would say so.
        main.get("/metrics", None).await.assert_problem(404, "not_found");
        assert_eq!(main.get("/healthz", None).await.status, 200);

        let metrics = aside.request(Method::GET, "/metrics").send().await.unwrap();
        assert_eq!(metrics.status(), 200);
        let text = metrics.text().await.unwrap();
        assert!(
            text.contains("http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 1\n"),
            "{text}"
        );
        assert_eq!(status(&aside, "/healthz").await, 200);
        assert_eq!(status(&aside, "/readyz").await, status(&main, "/readyz").await);
        for path in ["/openapi.json", "/login", "/whoami", "/.well-known/jwks.json"] {
            assert_eq!(status(&aside, path).await, 404, "{path}");
        }
    }
}

#[tokio::test]
async fn the_second_address_tells_of_the_end_and_ends_last() {
    for service in SERVICES {
        let data = temp_dir();
        let (mut process, _main, aside) = start(service, &data, &[("SHUTDOWN_DELAY", "2")]);
        process.tell_to_end();
        while status(&aside, "/readyz").await != 503 {}
        let answer = aside.request(Method::GET, "/readyz").send().await.unwrap();
        let ready: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(
            (&ready["service"], &ready["reasons"]["service"]),
            (&"ending".into(), &"the service is shutting down".into())
        );
        assert_eq!(process.wait().code(), Some(0));
        assert!(aside.request(Method::GET, "/healthz").send().await.is_err());
    }
}

#[test]
fn a_second_address_in_use_is_named_before_anything_is_touched() {
    let (taken, data) = (TcpListener::bind("127.0.0.1:0").unwrap(), temp_dir());
    let addr = taken.local_addr().unwrap().to_string();
    for service in SERVICES {
        let output = std::process::Command::new(program(service))
            .env_clear()
            .envs([("AUTH_ADDR", "127.0.0.1:0"), ("RESOURCE_ADDR", "127.0.0.1:0"), ("METRICS_ADDR", &addr)])
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
