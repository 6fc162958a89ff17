//! Responses that several routes have, for OpenAPI.

use service_kit::openapi::{ErrorResponse, Responses, error_responses};
use utoipa::IntoResponses;

const CLIENT_REFUSED: ErrorResponse = (
    "401",
    "The client is unknown, its secret is wrong, or it did not authenticate.",
    &["WWW-Authenticate"],
);

const UNAVAILABLE: ErrorResponse = (
    "503",
    "A dependency is unreachable: try again after `Retry-After` seconds.",
    &["Retry-After"],
);

fn responses(of: &[ErrorResponse]) -> Responses {
    error_responses("OAuthError", "application/json", of)
}

/// Responses to a client that does not authenticate, or cannot be authenticated at the moment.
pub struct ClientRefused;

impl IntoResponses for ClientRefused {
    fn responses() -> Responses {
        responses(&[CLIENT_REFUSED, UNAVAILABLE])
    }
}

/// Responses to a request that is refused.
pub struct RequestRefused;

impl IntoResponses for RequestRefused {
    fn responses() -> Responses {
        let invalid = "A parameter is wrong, or the request is not granted: `error` states which.";
        responses(&[
            ("400", invalid, &[]),
            CLIENT_REFUSED,
            ("408", "The body did not arrive in time.", &[]),
            ("413", "The body is too large.", &[]),
            ("415", "The body is not `application/x-www-form-urlencoded`.", &[]),
            UNAVAILABLE,
        ])
    }
}
