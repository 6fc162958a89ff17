//! What a service needs to trust an access token, and nothing of how one is made.
//!
//! | room | what is in it |
//! |---|---|
//! | [`claims`] | the claims of an access token |
//! | [`Verifier`] | signature and claim checks |
//! | [`keys`] | the issuer's public keys (JWKS): fetched, cached, refreshed |
//! | [`VerifyError`] | every reason for a refusal, and how it is answered (RFC 6750) |
//! | [`problem`] | problem details, the shape of every error answer (RFC 9457) |
//! | [`clock`] | the time, passed in so that expiry can be tested without waiting |
//! | `actix` | `AccessToken`, the extractor that protects a handler (feature `actix`) |
//! | `service` | what our own two services share in being services (feature `service`) |
//!
//! # Protect a service
//!
#![cfg_attr(feature = "actix", doc = "```no_run")]
#![cfg_attr(not(feature = "actix"), doc = "```ignore")]
//! use actix_web::{App, HttpServer, get, web::Data};
//! use shared::{Verifier, actix::AccessToken};
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

pub mod claims;
pub mod clock;
mod error;
pub mod keys;
pub mod problem;
mod verifier;

#[cfg(feature = "actix")]
pub mod actix;
#[cfg(feature = "service")]
pub mod service;

pub use error::VerifyError;
pub use verifier::{Verifier, VerifierBuilder};

/// The README's example compiles too.
#[cfg(all(doctest, feature = "actix"))]
#[doc = include_str!("../../README.md")]
mod readme {}
