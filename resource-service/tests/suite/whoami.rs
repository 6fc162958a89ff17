//! A resource-service that knows only the URL of a real auth-service.

use auth_service::{config, server};
use clap::Parser;
use reqwest::Method;
use serde_json::json;
use shared::clock::Clock;
use test_support::{Client, Process, assert_answers_as_documented, claims_of, program, temp_dir};

#[derive(Parser)]
struct Auth {
    #[command(flatten)]
    settings: config::Settings,
}

#[derive(Parser)]
struct Resource {
    #[command(flatten)]
    settings: resource_service::Settings,
}

fn resource_service(args: &[&str]) -> Client {
    let fixed = ["test", "--resource-addr=127.0.0.1:0", "--resource-workers=1"];
    let settings = Resource::parse_from(fixed.iter().chain(args)).settings;
    let running = resource_service::start(settings).unwrap();
    let addr = running.addr;
    actix_web::rt::spawn(running.into_server());
    Client::new(addr)
}

#[actix_web::test]
async fn accepts_only_a_valid_access_token() {
    for algorithm in ["EdDSA", "ES256", "RS256"] {
        let folder = temp_dir();
        let data = folder.path().to_str().unwrap();
        let args = [
            "test",
            "--auth-addr=127.0.0.1:0",
            "--bcrypt-cost=10",
            "--data-dir",
            data,
            "--signing-algorithm",
            algorithm,
        ];
        let running =
            server::start(Auth::parse_from(args).settings, Clock::system()).await.unwrap();
        let auth = Client::new(running.addr);
        let issuer = running.issuer.clone();
        actix_web::rt::spawn(running.into_server());
        let resource = resource_service(&["--issuer", &issuer]);
        resource.wait_for_status("/readyz", 200).await;

        let tokens = auth.new_user("ada").await;
        let claims = claims_of(&tokens.access);
        for path in ["/whoami", "/whoami/"] {
            let answer = resource.get(path, Some(&tokens.access)).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let expected = json!({
                "sub": claims["sub"],
                "sid": claims["sid"],
                "scope": "",
                "exp": claims["exp"],
            });
            assert_eq!(answer.json, expected);
        }

        resource.get("/whoami", None).await.assert_problem(401, "not_authenticated");
        resource.get("/whoami", Some(&tokens.refresh)).await.assert_problem(401, "token_not_valid");
        let tampered = format!("{}x", &tokens.access[..tokens.access.len() - 1]);
        resource.get("/whoami", Some(&tampered)).await.assert_problem(401, "token_not_valid");
        let other = resource_service(&["--issuer", &issuer, "--audience", "other"]);
        other.wait_for_status("/readyz", 200).await;
        other.get("/whoami", Some(&tokens.access)).await.assert_problem(401, "token_not_valid");

        resource.get("/nowhere", None).await.assert_problem(404, "not_found");
        let answer = resource.send(resource.request(Method::POST, "/whoami")).await;
        assert_eq!(
            answer.assert_problem(405, "method_not_allowed").header("allow"),
            "GET, HEAD, OPTIONS"
        );
    }
}

#[actix_web::test]
async fn a_route_that_needs_a_scope_or_a_role_refuses_other_tokens() {
    use shared::testing::TestIssuer;
    let issuer = TestIssuer::new();
    let verifier = issuer.verifier();
    let server = actix_web::HttpServer::new(move || {
        let verifier = verifier.clone();
        actix_web::App::new().configure(|app| resource_service::configure(app, verifier, false))
    });
    let server = server.workers(1).bind("127.0.0.1:0").unwrap();
    let client = Client::new(server.addrs()[0]);
    actix_web::rt::spawn(server.run());
    let plain = issuer.token().subject("ada").mint();
    for (path, granted, body) in [
        (
            "/reports",
            issuer.token().subject("ada").scope("reports:read").mint(),
            json!({"reports": [], "for": "ada"}),
        ),
        ("/admin", issuer.token().subject("ada").role("admin").mint(), json!({"admin": "ada"})),
    ] {
        let answer = client.get(path, Some(&granted)).await;
        assert_eq!((answer.status, &answer.json), (200, &body));
        let refused = client.get(path, Some(&plain)).await;
        refused.assert_problem(403, "permission_denied");
        assert!(refused.header("www-authenticate").contains(r#"error="insufficient_scope""#));
        client.get(path, None).await.assert_problem(401, "not_authenticated");
    }
}

#[actix_web::test]
async fn every_answer_to_a_generated_request_is_documented() {
    let folder = temp_dir();
    let data = folder.path().to_str().unwrap();
    let args = ["test", "--auth-addr=127.0.0.1:0", "--bcrypt-cost=10", "--data-dir", data];
    let running = server::start(Auth::parse_from(args).settings, Clock::system()).await.unwrap();
    let auth = Client::new(running.addr);
    let issuer = running.issuer.clone();
    actix_web::rt::spawn(running.into_server());
    auth.new_user("ada").await;
    let granted = std::process::Command::new(program("auth-service"))
        .env_clear()
        .args([
            "users",
            "grant",
            "ada",
            "--scope",
            "reports:read",
            "--role",
            "admin",
            "--data-dir",
            data,
        ])
        .status();
    assert!(granted.unwrap().success());

    let settings = ["test", "--resource-addr=127.0.0.1:0", "--issuer", &issuer];
    let resource = resource_service::start(Resource::parse_from(settings).settings).unwrap();
    let addr = resource.addr;
    actix_web::rt::spawn(resource.into_server());
    Client::new(addr).wait_for_status("/readyz", 200).await;
    assert_answers_as_documented(addr, &auth.login("ada").await.tokens().access, None).await;
}

#[actix_web::test]
async fn is_not_ready_until_auth_service_starts() {
    let folder = temp_dir();
    let data = folder.path().to_str().unwrap();
    let free =
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let resource = resource_service(&["--issuer", &format!("http://{free}")]);
    resource.wait_for_status("/healthz", 200).await;
    assert_eq!(resource.get("/readyz", None).await.status, 503);

    let args = ["test", "--auth-addr", &free, "--bcrypt-cost=10", "--data-dir", data];
    let running = server::start(Auth::parse_from(args).settings, Clock::system()).await.unwrap();
    let auth = Client::new(running.addr);
    actix_web::rt::spawn(running.into_server());
    let tokens = auth.new_user("ada").await;
    resource.wait_for_status("/readyz", 200).await;
    assert_eq!(resource.get("/whoami", Some(&tokens.access)).await.status, 200);
}

#[actix_web::test]
async fn the_program_serves_checks_its_health_and_stops() {
    let mut process = Process::start(
        env!("CARGO_BIN_EXE_resource-service"),
        1,
        &[("ISSUER", "http://127.0.0.1:1")],
    );
    let client = Client::new(process.addr(0));
    assert_eq!(client.get("/healthz", None).await.status, 200);
    client.get("/whoami", Some("a.b.c")).await.assert_problem(401, "token_not_valid");
    let check = |env: (&str, &str)| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_resource-service"));
        command.env_clear().env(env.0, env.1).arg("healthcheck").output().unwrap()
    };
    let output = check(("RESOURCE_ADDR", &process.addr(0).to_string()));
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("is not ready: 503"));
    let output = check(("RESOURCE_ADDR", "nonsense"));
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("RESOURCE_ADDR"));
    assert!(process.terminate().success(), "{}", process.log());
}
