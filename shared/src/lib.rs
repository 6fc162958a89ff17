//! Verifies access tokens in a resource server: signature, claims, scopes, roles and ended
//! sessions.
//!
//! A [`Verifier`] fetches the issuer's public keys in the background and verifies each token in
//! memory, without a call to the issuer. A handler with an [`AccessToken`] as an argument runs only
//! for requests with a valid token.
//!
//! | module or type | content |
//! |---|---|
//! | [`Verifier`], [`VerifierBuilder`] | checks of signature and claims, and their settings |
//! | [`NotReady`] | why a verifier cannot decide on tokens, for an app that starts |
//! | [`VerifyError`] | why a token is refused, and the response to the client (RFC 6750) |
//! | [`extract`] | handler arguments: [`AccessToken`], [`OptionalToken`], [`Requires`] with a [`Requirement`] |
//! | [`claims`] | the claims of an access token (RFC 9068) |
//! | [`keys`] | the issuer's public keys (JWKS, RFC 7517): fetched, cached, refreshed |
//! | [`revocations`] | ended sessions, from the issuer's revocation feed |
//! | [`FetchError`] | why keys or revocations are not available, for health checks |
//! | [`problem`] | problem details, the body of every error response (RFC 9457) |
//! | [`request_hook`] | a hook for the requests to the issuer, for example for traces |
//! | [`clock`] | the current time, which tests can advance |
//! | `actix`, `axum` | the extractors of each framework (features `actix`, `axum`) |
//! | `testing` | an issuer for your tests (feature `testing`) |
//!
//! # actix-web
//!
#![cfg_attr(feature = "actix", doc = "```no_run")]
#![cfg_attr(not(feature = "actix"), doc = "```ignore")]
//! use actix_web::{App, HttpServer, get, web::Data};
//! use shared::{AccessToken, Requirement, Requires, Verifier};
//!
//! #[get("/hello")]
//! async fn hello(token: AccessToken) -> String {
//!     format!("hello, {}", token.sub)
//! }
//!
//! struct ReadReports;
//!
//! impl Requirement for ReadReports {
//!     const SCOPE: Option<&str> = Some("reports:read");
//! }
//!
//! #[get("/reports")]
//! async fn reports(token: Requires<ReadReports>) -> String {
//!     format!("reports for {}", token.sub)
//! }
//!
//! #[actix_web::main]
//! async fn main() -> std::io::Result<()> {
//!     let verifier = Verifier::builder("http://127.0.0.1:8080").audience("api").build();
//!     let verifier = Data::new(verifier);
//!     HttpServer::new(move || App::new().app_data(verifier.clone()).service((hello, reports)))
//!         .bind("127.0.0.1:3000")?
//!         .run()
//!         .await
//! }
//! ```
//!
//! # axum
//!
//! The handlers have the same arguments. The verifier is the router's state, or a part of it.
//!
#![cfg_attr(feature = "axum", doc = "```no_run")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use axum::{Router, routing::get};
//! use shared::{AccessToken, Requirement, Requires, Verifier};
//!
//! async fn hello(token: AccessToken) -> String {
//!     format!("hello, {}", token.sub)
//! }
//!
//! struct ReadReports;
//!
//! impl Requirement for ReadReports {
//!     const SCOPE: Option<&str> = Some("reports:read");
//! }
//!
//! async fn reports(token: Requires<ReadReports>) -> String {
//!     format!("reports for {}", token.sub)
//! }
//!
//! fn app() -> Router {
//!     let verifier = Verifier::builder("http://127.0.0.1:8080").audience("api").build();
//!     Router::new()
//!         .route("/hello", get(hello))
//!         .route("/reports", get(reports))
//!         .with_state(verifier)
//! }
//! ```

pub mod claims;
pub mod clock;
pub mod discovery;
mod error;
pub mod extract;
mod fetch_error;
#[doc(hidden)]
pub mod http;
mod issuer;
pub mod keys;
pub mod problem;
pub mod request_hook;
pub mod revocations;
mod verifier;

#[cfg(feature = "actix")]
mod actix;
#[cfg(feature = "axum")]
mod axum;

#[cfg(feature = "testing")]
pub mod testing;

pub use error::{VerifyError, insufficient_scope};
pub use extract::{AccessToken, OptionalToken, Requirement, Requires};
pub use fetch_error::FetchError;
pub use verifier::{NotReady, Verifier, VerifierBuilder};

/// Compiles the examples of the README.
#[cfg(all(doctest, feature = "actix"))]
#[doc = include_str!("../../README.md")]
mod readme {}

/// Compiles and runs the examples of the guide.
#[cfg(all(doctest, feature = "actix", feature = "axum", feature = "testing"))]
#[doc = include_str!("../../docs/guides/protect-a-rust-service.md")]
mod guide {}
