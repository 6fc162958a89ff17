//! TLS to PostgreSQL and Redis: encrypted connections, and rejected certificates.

use crate::support::{TestApp, auth_service, settings};
use test_support::{
    Certificates, PostgresServer, RedisServer, TestDatabase, free_port, temp_dir, unique,
};

/// Starts a Redis that requires a client certificate of the same authority, and returns its URL.
fn redis_with_tls(certificates: &Certificates) -> (RedisServer, String) {
    let tls_port = free_port().to_string();
    let [authority, certificate, key] = paths(certificates);
    let redis = RedisServer::start_with(&[
        "--tls-port",
        &tls_port,
        "--tls-ca-cert-file",
        &authority,
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "yes",
    ]);
    (redis, format!("rediss://127.0.0.1:{tls_port}/"))
}

fn paths(certificates: &Certificates) -> [String; 3] {
    [certificates.authority(), certificates.certificate(), certificates.key()]
        .map(|path| path.display().to_string())
}

#[actix_web::test]
async fn both_stores_are_reached_over_tls() {
    let certificates = Certificates::generate();
    let [authority, certificate, key] = paths(&certificates);
    let postgres = PostgresServer::start_with_tls(&certificates);
    let (_redis, redis_url) = redis_with_tls(&certificates);
    let database_url = format!("{}?sslmode=verify-full&sslrootcert={authority}", postgres.url());
    let stores = ["--database-url", &database_url, "--redis-url", &redis_url];
    let certificates = [
        "--redis-ca-file",
        &authority,
        "--redis-cert-file",
        &certificate,
        "--redis-key-file",
        &key,
    ];

    let app = TestApp::on_stores(&[stores.as_slice(), &certificates].concat()).await;

    let tokens = app.new_user("ada").await;
    let tokens = app.refreshed(&tokens.refresh).await;
    assert_eq!(app.logout(&tokens).await.status, 204);
    assert_eq!(app.refresh(&tokens.refresh).await.status, 401);
}

#[test]
fn postgresql_of_another_authority_or_without_tls_is_rejected() {
    let certificates = Certificates::generate();
    let others = Certificates::generate();
    let postgres = PostgresServer::start_with_tls(&certificates);
    let [authority, ..] = paths(&others);
    let another = format!("sslmode=verify-full&sslrootcert={authority}");
    for (parameters, reason) in
        [(another.as_str(), "certificate verify failed"), ("sslmode=disable", "no encryption")]
    {
        let url = format!("{}?{parameters}", postgres.url());
        let args = ["migrate", "--database-url", &url, "--redis-url", "redis://127.0.0.1:1/"];
        let output = auth_service(&temp_dir(), &args);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.contains(reason), "{errors}");
    }
}

#[actix_web::test]
async fn redis_of_another_authority_or_without_a_client_certificate_is_rejected() {
    let certificates = Certificates::generate();
    let others = Certificates::generate();
    let (_redis, redis_url) = redis_with_tls(&certificates);
    let [authority, certificate, key] = paths(&certificates);
    let [another, ..] = paths(&others);
    let with_certificate =
        ["--redis-cert-file", &certificate, "--redis-key-file", &key, "--redis-ca-file", &another];
    for files in [&with_certificate[..], &["--redis-ca-file", &authority]] {
        let database = TestDatabase::create();
        let url = database.url();
        let stores = ["--database-url", &url, "--redis-url", &redis_url];
        let app = TestApp::on_unavailable_stores(&[&stores[..], files].concat()).await;
        app.wait_for_status("/.well-known/jwks.json", 200).await;
        let tokens = app.new_user(&unique("u")).await;
        app.refresh(&tokens.refresh).await.assert_problem(503, "unavailable");
    }
}

#[actix_web::test]
async fn file_without_a_certificate_ends_the_start() {
    let certificates = Certificates::generate();
    let [_, _, key] = paths(&certificates);
    let args = ["--database-url=postgres://127.0.0.1:1/x", "--redis-url=rediss://127.0.0.1:1/"];
    for (file, expected) in
        [("/nowhere/ca.pem", "/nowhere/ca.pem (REDIS_CA_FILE)"), (&key, "REDIS_CA_FILE")]
    {
        let all = [&args[..], &["--redis-ca-file", file]].concat();
        let error =
            auth_service::server::start(settings(&all), shared::clock::Clock::system()).await;
        let error = error.err().expect("an error").to_string();
        assert!(error.contains(expected), "{error}");
    }
}
