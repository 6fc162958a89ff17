//! Errors of the JSON dialect, answered as problem details (RFC 9457) that name no internals.

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
    domain::permission::{MissingPermission, Permission},
    session_state::SessionStateError,
    store::StoreError,
    tokens::{NoSigningKey, RefreshTokenError},
};

/// Error of a route.
#[derive(Debug)]
pub enum ApiError {
    /// Fields of the request are wrong.
    Fields(FieldErrors),
    /// The access token does not grant a required scope or role.
    MissingPermission(MissingPermission),
    /// The resource does not exist, or belongs to another user.
    NotFound(&'static str),
    /// The access token is a client's, and the route requires a user's.
    NotAUser,
    /// The body is not a JSON object.
    NotJson,
    /// The body does not have this media type.
    MediaType(&'static str),
    /// The body is too large.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// The name or the password of a login is wrong. The client does not learn which.
    WrongCredentials,
    /// The access token is missing or refused.
    AccessToken(VerifyError),
    /// The refresh token is refused, for this reason.
    RefreshToken(&'static str),
    /// The queue of the hash pool is full.
    Busy,
    /// A dependency is unreachable. Logged where it was noticed.
    Unavailable,
    /// A fault of this service. Logged where it was noticed.
    Internal,
}

impl ApiError {
    fn problem(&self) -> Problem {
        match self {
            Self::Fields(errors) => {
                let mut problem = Problem::new(400, "invalid", "Fields of the request are wrong.");
                problem.errors = errors.clone();
                problem
            }
            Self::NotJson => {
                Problem::new(400, "parse_error", "The request's body is not a JSON object.")
            }
            Self::MediaType(media_type) => {
                let detail = format!("The request's body must be {media_type}.");
                Problem::new(415, "unsupported_media_type", detail)
            }
            Self::TooLarge => Problem::new(413, "too_large", "The request's body is too large."),
            Self::TooSlow => {
                Problem::new(408, "timeout", "The request's body did not arrive in time.")
            }
            Self::WrongCredentials => Problem::new(
                401,
                "no_active_account",
                "No active account found with the given credentials.",
            ),
            Self::AccessToken(why) => why.problem(),
            Self::MissingPermission(MissingPermission(permission)) => {
                let detail = match permission {
                    Permission::Scope(scope) => format!("The scope {scope} is required."),
                    Permission::Role(role) => format!("The role {role} is required."),
                };
                Problem::new(403, "permission_denied", detail)
            }
            Self::NotFound(why) => Problem::new(404, "not_found", *why),
            Self::NotAUser => {
                Problem::new(403, "permission_denied", "The token is a client's, not a user's.")
            }
            Self::RefreshToken(why) => Problem::new(401, "token_not_valid", *why),
            Self::Busy => {
                Problem::new(503, "busy", "Too many logins at the moment. Try again shortly.")
            }
            Self::Unavailable => Problem::new(
                503,
                "unavailable",
                "The service is not available at the moment. Try again shortly.",
            ),
            Self::Internal => Problem::new(500, "error", "An internal error occurred."),
        }
    }
}

impl ApiError {
    /// Returns the `WWW-Authenticate` header of a 403 (RFC 6750 section 3.1).
    fn insufficient_scope(&self) -> Option<String> {
        match self {
            Self::MissingPermission(MissingPermission(Permission::Scope(scope))) => {
                Some(insufficient_scope(Some(scope)))
            }
            Self::MissingPermission(_) | Self::NotAUser => Some(insufficient_scope(None)),
            _ => None,
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
        if let Some(challenge) = self.insufficient_scope() {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if problem.status == 503 {
            response.insert_header((RETRY_AFTER, "1"));
        }
        if matches!(self, Self::TooLarge | Self::TooSlow) {
            // The rest of the body is not read, so the connection cannot be reused.
            response.force_close();
        }
        problem.finish(response)
    }
}

impl From<MissingPermission> for ApiError {
    fn from(why: MissingPermission) -> Self {
        Self::MissingPermission(why)
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
                log::error!("a database query failed: {why}");
                Self::Internal
            }
        }
    }
}

impl From<SessionStateError> for ApiError {
    fn from(error: SessionStateError) -> Self {
        match error {
            SessionStateError::Unavailable
            | SessionStateError::TimedOut
            | SessionStateError::Incomplete => Self::Unavailable,
            SessionStateError::Store(error) => error.into(),
        }
    }
}
