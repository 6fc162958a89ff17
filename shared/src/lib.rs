//! What a service needs to trust an access token, and nothing of how one is made.
//!
//! | room | what is in it |
//! |---|---|
//! | [`claims`] | the claims of an access token |
//! | [`Verifier`] | signature and claim checks |
//! | [`keys`] | the issuer's public keys (JWKS): fetched, cached, refreshed |
//! | [`revocations`] | the sessions that have ended: heard of from the issuer's feed |
//! | [`VerifyError`] | every reason for a refusal, and how it is answered (RFC 6750) |
//! | [`FetchError`] | why the issuer was not reached |
//! | [`problem`] | problem details, the shape of every error answer (RFC 9457) |
//! | [`clock`] | the time, passed in so that expiry can be tested without waiting |
//! | [`extract`] | [`AccessToken`] and [`Requires`], the arguments that protect a handler |
//! | `actix`, `axum` | how either framework makes them (features `actix`, `axum`) |
//! | `testing` | an issuer for your own tests (feature `testing`) |
//!
//! # Protect a service
//!
#![cfg_attr(feature = "actix", doc = "```no_run")]
#![cfg_attr(not(feature = "actix"), doc = "```ignore")]
//! use actix_web::{App, HttpServer, get, web::Data};
//! use shared::{AccessToken, Verifier};
//!
//! #[get("/hello")]
//! async fn hello(token: AccessToken) -> String {
//!     format!("hello, {}", token.sub)
//! }
//!
//! #[actix_web::main]
//! async fn main() -> std::io::Result<()> {
//!     let verifier = Verifier::builder("http://127.0.0.1:8080").audience("api").build();
//!     HttpServer::new(move || App::new().app_data(Data::new(verifier.clone())).service(hello))
//!         .bind("127.0.0.1:3000")?
//!         .run()
//!         .await
//! }
//! ```
//!
//! In axum the arguments are the same, and the verifier is the router's state, or part of it:
//!
#![cfg_attr(feature = "axum", doc = "```no_run")]
#![cfg_attr(not(feature = "axum"), doc = "```ignore")]
//! use axum::{Router, routing::get};
//! use shared::{AccessToken, Verifier};
//!
//! async fn hello(token: AccessToken) -> String {
//!     format!("hello, {}", token.sub)
//! }
//!
//! fn app(verifier: Verifier) -> Router {
//!     Router::new().route("/hello", get(hello)).with_state(verifier)
//! }
//! ```

pub mod claims;
pub mod clock;
mod error;
pub mod extract;
mod fetch_error;
#[doc(hidden)]
pub mod http;
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
pub use extract::{AccessToken, Requires};
pub use fetch_error::FetchError;
pub use verifier::{Verifier, VerifierBuilder};

/// The README's example compiles too.
#[cfg(all(doctest, feature = "actix"))]
#[doc = include_str!("../../README.md")]
mod readme {}
