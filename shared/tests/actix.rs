//! The extractor: what a service author gets, and what a stranger does.
#![cfg(feature = "actix")]

use actix_web::{App, HttpResponse, test, web};
use shared::{Verifier, actix::AccessToken, keys::JwkSet};

async fn hello(token: AccessToken) -> HttpResponse {
    HttpResponse::Ok().body(token.sub.clone())
}

#[actix_web::test]
async fn a_request_without_a_token_never_reaches_the_handler() {
    let verifier = Verifier::builder("http://auth.example.com").build_with_keys(&JwkSet { keys: Vec::new() });
    let app = App::new().app_data(web::Data::new(verifier)).route("/", web::get().to(hello));
    let app = test::init_service(app).await;
    let answer = test::call_service(&app, test::TestRequest::get().uri("/").to_request()).await;
    assert_eq!(answer.status(), 401);
    assert_eq!(answer.headers().get("www-authenticate").unwrap(), "Bearer");
    assert_eq!(answer.headers().get("content-type").unwrap(), "application/problem+json");
}

#[actix_web::test]
async fn an_app_without_a_verifier_lets_nobody_in() {
    let app = test::init_service(App::new().route("/", web::get().to(hello))).await;
    let answer = test::call_service(&app, test::TestRequest::get().uri("/").to_request()).await;
    assert_eq!(answer.status(), 500);
}
