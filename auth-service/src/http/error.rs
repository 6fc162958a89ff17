//! What goes wrong, and how it is answered: problem details, which name no internals.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use shared::{
    VerifyError, insufficient_scope,
    problem::{FieldErrors, Problem},
};

use crate::{
    credentials::HashPoolBusy,
    session_state::SessionStateError,
    store::StoreError,
    tokens::{NoSigningKey, RefreshTokenError},
};

/// Every refusal of auth-service.
#[derive(Debug)]
pub enum ApiError {
    /// Fields of the request that are wrong.
    Fields(FieldErrors),
    /// An access token that does not grant a scope that is asked for.
    InsufficientScope(String),
    /// An access token whose user has not a role that is asked for.
    MissingRole(String),
    /// Something that is not there, or is somebody else's.
    NotFound(&'static str),
    /// A client's token where only a person's will do.
    NotAUser,
    /// A body that is not a JSON object.
    NotJson,
    /// A body in another format than this.
    MediaType(&'static str),
    /// A body larger than any request needs.
    TooLarge,
    /// A body that did not arrive in time.
    TooSlow,
    /// A login whose name or password is wrong. It does not say which.
    WrongCredentials,
    /// An access token that is missing or refused.
    AccessToken(VerifyError),
    /// A refresh token that is refused, and why.
    RefreshToken(&'static str),
    /// The hash pool's queue is full.
    Busy,
    /// The database or the blacklist is out of reach. Logged where it was noticed.
    Unavailable,
    /// Our fault. Logged where it was noticed.
    Internal,
}

impl ApiError {
    fn problem(&self) -> Problem {
        match self {
            Self::Fields(errors) => {
                let mut problem = Problem::new(400, "invalid", "The request has fields that are wrong.");
                problem.errors = errors.clone();
                problem
            }
            Self::NotJson => Problem::new(400, "parse_error", "The request's body is not a JSON object."),
            Self::MediaType(media_type) => {
                let detail = format!("The request's body must be {media_type}.");
                Problem::new(415, "unsupported_media_type", detail)
            }
            Self::TooLarge => Problem::new(413, "too_large", "The request's body is too large."),
            Self::TooSlow => Problem::new(408, "timeout", "The request's body did not arrive in time."),
            Self::WrongCredentials => {
                Problem::new(401, "no_active_account", "No active account found with the given credentials.")
            }
            Self::AccessToken(why) => why.problem(),
            Self::InsufficientScope(scope) => {
                Problem::new(403, "permission_denied", format!("The scope {scope} is needed here."))
            }
            Self::MissingRole(role) => {
                Problem::new(403, "permission_denied", format!("The role {role} is needed here."))
            }
            Self::NotFound(why) => Problem::new(404, "not_found", *why),
            Self::NotAUser => {
                Problem::new(403, "permission_denied", "This is a client's token, and no user's.")
            }
            Self::RefreshToken(why) => Problem::new(401, "token_not_valid", *why),
            Self::Busy => Problem::new(503, "busy", "Too many logins at the moment. Try again shortly."),
            Self::Unavailable => Problem::new(
                503,
                "unavailable",
                "The service is not available at the moment. Try again shortly.",
            ),
            Self::Internal => Problem::new(500, "error", "Something went wrong here."),
        }
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem().detail)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.problem().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::AccessToken(why) = self {
            return why.error_response();
        }
        let problem = self.problem();
        let mut response = problem.response();
        if problem.status == 401 {
            // RFC 9110 section 15.5.2.
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if let Self::InsufficientScope(scope) = self {
            response.insert_header((WWW_AUTHENTICATE, insufficient_scope(Some(scope))));
        }
        if let Self::MissingRole(_) | Self::NotAUser = self {
            response.insert_header((WWW_AUTHENTICATE, insufficient_scope(None)));
        }
        if problem.status == 503 {
            response.insert_header((RETRY_AFTER, "1"));
        }
        if matches!(self, Self::TooLarge | Self::TooSlow) {
            // What is left of the body is not read, so the connection cannot be used again.
            response.force_close();
        }
        problem.finish(response)
    }
}

impl From<VerifyError> for ApiError {
    fn from(why: VerifyError) -> Self {
        Self::AccessToken(why)
    }
}

impl From<RefreshTokenError> for ApiError {
    fn from(why: RefreshTokenError) -> Self {
        Self::RefreshToken(match why {
            RefreshTokenError::Invalid => "The refresh token is invalid.",
            RefreshTokenError::Expired => "The refresh token has expired.",
            RefreshTokenError::Revoked => "The refresh token's session has ended.",
        })
    }
}

impl From<HashPoolBusy> for ApiError {
    fn from(_: HashPoolBusy) -> Self {
        Self::Busy
    }
}

impl From<NoSigningKey> for ApiError {
    fn from(_: NoSigningKey) -> Self {
        Self::Unavailable
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable => Self::Unavailable,
            StoreError::Query(why) => {
                log::error!("a query failed: {why}");
                Self::Internal
            }
        }
    }
}

impl From<SessionStateError> for ApiError {
    fn from(error: SessionStateError) -> Self {
        match error {
            SessionStateError::Unavailable | SessionStateError::TimedOut | SessionStateError::Incomplete => {
                Self::Unavailable
            }
            SessionStateError::Store(error) => error.into(),
        }
    }
}
