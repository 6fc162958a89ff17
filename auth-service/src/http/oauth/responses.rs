//! Responses that several routes have, for OpenAPI.

use std::collections::BTreeMap;

use service_kit::openapi::header;
use utoipa::{
    IntoResponses,
    openapi::{Content, Ref, RefOr, Response, ResponseBuilder},
};

type Responses = BTreeMap<String, RefOr<Response>>;

/// An error response: status, description, and the header that comes with it.
type ErrorResponse<'a> = (&'a str, &'a str, Option<&'a str>);

const CLIENT_REFUSED: ErrorResponse =
    ("401", "The client is unknown, or its secret is wrong.", Some("WWW-Authenticate"));

const UNAVAILABLE: ErrorResponse = (
    "503",
    "A dependency is unreachable: try again after `Retry-After` seconds.",
    Some("Retry-After"),
);

fn responses(of: &[ErrorResponse]) -> Responses {
    let response = |(status, description, name): &ErrorResponse| {
        let content = Content::new(Some(Ref::from_schema_name("OAuthError")));
        let response = ResponseBuilder::new().description(*description);
        let response = response.content("application/json", content);
        let response =
            name.iter().fold(response, |response, name| response.header(*name, header(name)));
        ((*status).to_owned(), response.build().into())
    };
    of.iter().map(response).collect()
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
            ("400", invalid, None),
            CLIENT_REFUSED,
            ("408", "The body did not arrive in time.", None),
            ("413", "The body is too large.", None),
            ("415", "The body is not `application/x-www-form-urlencoded`.", None),
            UNAVAILABLE,
        ])
    }
}
