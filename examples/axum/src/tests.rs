//! Tests of the routes, with tokens of a test issuer: no auth-service, no network.

use axum::{
    body::{Body, to_bytes},
    http::Request,
    response::Response,
};
use shared::{Verifier, testing::TestIssuer};
use tower::ServiceExt;

use super::app;

/// Returns the response to `GET path`, with an access token if one is given.
async fn response(verifier: Verifier, path: &str, token: Option<&str>) -> Response {
    let mut request = Request::get(path);
    if let Some(token) = token {
        request = request.header("Authorization", format!("Bearer {token}"));
    }
    app(verifier).oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
}

async fn status(verifier: Verifier, path: &str, token: Option<&str>) -> u16 {
    response(verifier, path, token).await.status().as_u16()
}

#[tokio::test]
async fn the_public_route_needs_no_token() {
    assert_eq!(status(TestIssuer::new().verifier(), "/", None).await, 200);
}

#[tokio::test]
async fn a_request_without_a_token_gets_401() {
    for path in ["/me", "/reports", "/admin", "/settings/users"] {
        assert_eq!(status(TestIssuer::new().verifier(), path, None).await, 401, "{path}");
    }
}

#[tokio::test]
async fn a_handler_sees_the_user_of_the_token() {
    let issuer = TestIssuer::new();
    let token = issuer.token().subject("ada").mint();
    let response = response(issuer.verifier(), "/me", Some(&token)).await;
    assert_eq!(to_bytes(response.into_body(), 1024).await.unwrap(), "user ada\n");
}

#[tokio::test]
async fn a_token_without_the_scope_or_the_role_gets_403() {
    let issuer = TestIssuer::new();
    let plain = issuer.token().mint();
    let reader = issuer.token().scope("reports:read").mint();
    let admin = issuer.token().role("admin").mint();
    for (path, token, expected) in [
        ("/reports", &plain, 403),
        ("/reports", &admin, 403),
        ("/reports", &reader, 200),
        ("/admin", &plain, 403),
        ("/admin", &reader, 403),
        ("/admin", &admin, 200),
        ("/settings/users", &plain, 403),
        ("/settings/users", &admin, 200),
    ] {
        assert_eq!(status(issuer.verifier(), path, Some(token)).await, expected, "{path}");
    }
}

#[tokio::test]
async fn an_expired_token_gets_401() {
    let issuer = TestIssuer::new();
    let token = issuer.token().lifetime_secs(-60).mint();
    for path in ["/me", "/hello", "/settings/users"] {
        assert_eq!(status(issuer.verifier(), path, Some(&token)).await, 401, "{path}");
    }
    assert_eq!(status(issuer.verifier(), "/hello", None).await, 200);
}

#[tokio::test]
async fn a_token_for_another_audience_gets_401() {
    let issuer = TestIssuer::new();
    let token = issuer.token().audience("other-api").mint();
    assert_eq!(status(issuer.verifier(), "/me", Some(&token)).await, 401);
}

#[tokio::test]
async fn a_token_of_an_ended_session_gets_401() {
    let issuer = TestIssuer::new();
    let token = issuer.token();
    let session = token.claims.sid;
    let token = token.mint();
    assert_eq!(status(issuer.verifier(), "/me", Some(&token)).await, 200);
    issuer.end_session(session);
    assert_eq!(status(issuer.verifier(), "/me", Some(&token)).await, 401);
}

#[tokio::test]
async fn the_service_is_ready_when_the_verifier_has_keys() {
    assert_eq!(status(TestIssuer::new().verifier(), "/readyz", None).await, 200);
    let without_keys = Verifier::builder("http://127.0.0.1:1").audience("api").build();
    assert_eq!(status(without_keys, "/readyz", None).await, 503);
}
