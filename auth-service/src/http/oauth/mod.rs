//! Routes in the dialect of OAuth 2.0: form-encoded requests, clients that authenticate, and errors
//! with an `error` (RFC 6749 section 5.2).
//!
//! | module | content |
//! |---|---|
//! | `token`, `revoke`, `introspect` | the routes |
//! | `parameters` | the parameters of a form-encoded request |
//! | `client_authentication`, `credentials` | how a client authenticates |
//! | `error`, `responses` | errors, and their description for OpenAPI |

mod client_authentication;
mod credentials;
mod error;
pub mod introspect;
mod parameters;
mod responses;
pub mod revoke;
pub mod token;

pub use self::{
    client_authentication::{AUTHENTICATION_METHODS, authenticate_by_header},
    error::{ErrorBody, OAuthError},
    introspect::AudienceSchema,
    responses::ClientRefused,
};
