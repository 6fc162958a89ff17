//! Problem details: the body of every error response (RFC 9457). It also has the members that
//! clients of Django REST framework read: `detail`, `code` and, on a 400, `errors` by field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// Messages by field of a request.
pub type FieldErrors = BTreeMap<String, Vec<String>>;

/// Body of an error response. It names nothing internal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Always `about:blank`: the status is the type of the problem (RFC 9457 section 4.2.1).
    #[serde(rename = "type")]
    pub kind: String,
    /// Name of the HTTP status.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Message for people.
    pub detail: String,
    /// Error code for programs.
    pub code: String,
    /// Messages by field, on a 400.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: FieldErrors,
}

impl Problem {
    /// Returns a problem without field errors.
    pub fn new(status: u16, code: &str, detail: impl Into<String>) -> Self {
        let title = reqwest::StatusCode::from_u16(status)
            .ok()
            .and_then(|status| status.canonical_reason())
            .unwrap_or("Error");
        Self {
            kind: "about:blank".into(),
            title: title.into(),
            status,
            detail: detail.into(),
            code: code.into(),
            errors: FieldErrors::new(),
        }
    }
}

#[cfg(feature = "actix")]
mod response {
    use actix_web::{HttpResponse, HttpResponseBuilder, http::StatusCode};

    use super::{CONTENT_TYPE, Problem};

    impl Problem {
        /// Returns a response with status and content type. Add headers to it, then call
        /// [`Problem::finish`].
        pub fn response(&self) -> HttpResponseBuilder {
            let status =
                StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = HttpResponse::build(status);
            response.content_type(CONTENT_TYPE);
            response
        }

        /// Returns `response` with this problem as its body.
        pub fn finish(&self, mut response: HttpResponseBuilder) -> HttpResponse {
            response.body(serde_json::to_vec(self).unwrap_or_default())
        }
    }

    impl From<Problem> for HttpResponse {
        fn from(problem: Problem) -> Self {
            problem.finish(problem.response())
        }
    }
}
