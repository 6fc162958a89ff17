//! Tests of the routes, with tokens of a test issuer: no auth-service, no network.

use actix_web::{
    App,
    test::{TestRequest, call_and_read_body, init_service, try_call_service},
};
use shared::{Verifier, testing::TestIssuer};

use super::configure;

/// Returns the status of `GET path`, with an access token if one is given.
async fn status(verifier: Verifier, path: &str, token: Option<&str>) -> u16 {
    let app = App::new().configure(|config| configure(config, verifier));
    let app = init_service(app).await;
    let mut request = TestRequest::get().uri(path);
    if let Some(token) = token {
        request = request.insert_header(("Authorization", format!("Bearer {token}")));
    }
    let status = match try_call_service(&app, request.to_request()).await {
        Ok(response) => response.status(),
        // The server turns the error of a guard into its response.
        Err(error) => error.error_response().status(),
    };
    status.as_u16()
}

#[actix_web::test]
async fn the_public_route_needs_no_token() {
    assert_eq!(status(TestIssuer::new().verifier(), "/", None).await, 200);
}

#[actix_web::test]
async fn a_request_without_a_token_gets_401() {
    for path in ["/me", "/reports", "/admin", "/settings/users"] {
        assert_eq!(status(TestIssuer::new().verifier(), path, None).await, 401, "{path}");
    }
}

#[actix_web::test]
async fn a_handler_sees_the_user_of_the_token() {
    let issuer = TestIssuer::new();
    let app = App::new().configure(|config| configure(config, issuer.verifier()));
    let app = init_service(app).await;
    let token = issuer.token().subject("ada").mint();
    let request = TestRequest::get().uri("/me");
    let request = request.insert_header(("Authorization", format!("Bearer {token}")));
    assert_eq!(call_and_read_body(&app, request.to_request()).await, "user ada\n");
}

#[actix_web::test]
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

#[actix_web::test]
async fn an_expired_token_gets_401() {
    let issuer = TestIssuer::new();
    let token = issuer.token().lifetime_secs(-60).mint();
    for path in ["/me", "/hello", "/settings/users"] {
        assert_eq!(status(issuer.verifier(), path, Some(&token)).await, 401, "{path}");
    }
    assert_eq!(status(issuer.verifier(), "/hello", None).await, 200);
}

#[actix_web::test]
async fn a_token_for_another_audience_gets_401() {
    let issuer = TestIssuer::new();
    let token = issuer.token().audience("other-api").mint();
    assert_eq!(status(issuer.verifier(), "/me", Some(&token)).await, 401);
}

#[actix_web::test]
async fn a_token_of_an_ended_session_gets_401() {
    let issuer = TestIssuer::new();
    let token = issuer.token();
    let session = token.claims.sid;
    let token = token.mint();
    assert_eq!(status(issuer.verifier(), "/me", Some(&token)).await, 200);
    issuer.end_session(session);
    assert_eq!(status(issuer.verifier(), "/me", Some(&token)).await, 401);
}

#[actix_web::test]
async fn the_service_is_ready_when_the_verifier_has_keys() {
    assert_eq!(status(TestIssuer::new().verifier(), "/readyz", None).await, 200);
    let without_keys = Verifier::builder("http://127.0.0.1:1").audience("api").build();
    assert_eq!(status(without_keys, "/readyz", None).await, 503);
}
