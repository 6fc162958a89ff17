//! Errors in the dialect of OAuth 2.0 (RFC 6749 section 5.2).

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::{audience::AudienceNotGranted, scope::ScopeNotGranted},
    http::error::ApiError,
    store::StoreError,
};

/// Error of a route below `/oauth`.
#[derive(Debug)]
pub enum OAuthError {
    /// A parameter is missing, duplicate, or malformed.
    InvalidRequest(String),
    /// The client is unknown, its secret is wrong, or it did not authenticate.
    InvalidClient,
    /// The refresh token is refused, for this reason.
    InvalidGrant(String),
    /// The client must not do this.
    UnauthorizedClient(&'static str),
    /// The route does not support the `grant_type`.
    UnsupportedGrantType,
    /// The scope is malformed, or exceeds what may be granted.
    InvalidScope,
    /// The token may not be for a requested `resource` (RFC 8707 section 2).
    InvalidTarget,
    /// A body that cannot be read, or an outage: the error has the same status in both dialects.
    Other(ApiError),
}

/// The body of an error (RFC 6749 section 5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub struct ErrorBody<'a> {
    error: &'a str,
    /// Explanation for a developer.
    error_description: &'a str,
}

impl OAuthError {
    /// Returns the error code.
    fn code(&self) -> &'static str {
        match self {
            Self::InvalidRequest(_) => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::UnauthorizedClient(_) => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::Other(why) => match why.status_code() {
                StatusCode::SERVICE_UNAVAILABLE => "temporarily_unavailable",
                StatusCode::INTERNAL_SERVER_ERROR => "server_error",
                _ => "invalid_request",
            },
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidRequest(why) => f.write_str(why),
            Self::InvalidClient => f.write_str(
                "The client is unknown, its secret is wrong, or it did not authenticate.",
            ),
            Self::InvalidGrant(why) => f.write_str(why),
            Self::UnauthorizedClient(why) => f.write_str(why),
            Self::UnsupportedGrantType => {
                f.write_str("grant_type must be refresh_token or client_credentials.")
            }
            Self::InvalidScope => {
                f.write_str("The scope is malformed, or exceeds what may be granted.")
            }
            Self::InvalidTarget => f.write_str("The token may not be for this resource."),
            Self::Other(why) => write!(f, "{why}"),
        }
    }
}

impl ResponseError for OAuthError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::InvalidClient => StatusCode::UNAUTHORIZED,
            Self::Other(why) => why.status_code(),
            _ => StatusCode::BAD_REQUEST,
        }
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::Other(why @ ApiError::MissingPermission(_)) = self {
            // RFC 6750 section 3.1: OAuth 2.0 has no error of its own for this.
            return why.error_response();
        }
        let mut response = HttpResponse::build(self.status_code());
        if self.status_code() == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, r#"Basic realm="clients""#));
        }
        if self.status_code() == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, "1"));
        }
        if matches!(self, Self::Other(why) if why.closes_connection()) {
            response.force_close();
        }
        response.json(ErrorBody { error: self.code(), error_description: &self.to_string() })
    }
}

impl From<ApiError> for OAuthError {
    fn from(why: ApiError) -> Self {
        match why {
            ApiError::TokenInBody(why) => Self::InvalidGrant(why),
            why => Self::Other(why),
        }
    }
}

impl From<StoreError> for OAuthError {
    fn from(why: StoreError) -> Self {
        Self::Other(why.into())
    }
}

impl From<AudienceNotGranted> for OAuthError {
    fn from(_: AudienceNotGranted) -> Self {
        Self::InvalidTarget
    }
}

impl From<ScopeNotGranted> for OAuthError {
    fn from(_: ScopeNotGranted) -> Self {
        Self::InvalidScope
    }
}
