//! Problem details, the shape of every error answer (RFC 9457), with the members that clients of Django REST
//! framework read: `detail`, `code` and, on a 400, `errors` by field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The media type of a [`Problem`].
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What is wrong with each field of a request.
pub type FieldErrors = BTreeMap<String, Vec<String>>;

/// An error as the client sees it. It names no internals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is (RFC 9457 section 4.2.1).
    #[serde(rename = "type")]
    pub kind: String,
    /// The status's name.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What went wrong, for a person.
    pub detail: String,
    /// What went wrong, for a program.
    pub code: String,
    /// On a 400: every field that is wrong, and why.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors: FieldErrors,
}

impl Problem {
    /// A problem of this status.
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
mod answer {
    use actix_web::{HttpResponse, HttpResponseBuilder, http::StatusCode};

    use super::{CONTENT_TYPE, Problem};

    impl Problem {
        /// The start of an answer of this status, to which headers can be added before [`Problem::finish`].
        pub fn response(&self) -> HttpResponseBuilder {
            let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let mut response = HttpResponse::build(status);
            response.content_type(CONTENT_TYPE);
            response
        }

        /// The answer itself.
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
