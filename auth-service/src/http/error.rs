//! Errors of the JSON dialect, answered as problem details (RFC 9457) that name no internals.

use std::{fmt, time::Duration};

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{
        StatusCode,
        header::{RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use serde::Serialize;
use shared::{
    VerifyError, insufficient_scope,
    problem::{FieldErrors, Problem},
};

use crate::{
    credentials::HashPoolBusy,
    domain::{
        audience::AudienceNotGranted,
        permission::{MissingPermission, Permission},
    },
    session_state::SessionStateError,
    sessions::RefreshError,
    store::StoreError,
    throttle::Throttled,
    tokens::{NoSigningKey, RefreshTokenError},
};

/// Error of a route.
#[derive(Debug)]
pub enum ApiError {
    /// Fields of the request are wrong.
    Fields(FieldErrors),
    /// The token may not be for a requested audience.
    InvalidTarget,
    /// The access token does not grant a required scope or role.
    MissingPermission(MissingPermission),
    /// The resource does not exist, or belongs to another user.
    NotFound(&'static str),
    /// The request contradicts the state of the resource.
    Conflict { code: &'static str, detail: &'static str },
    /// The resource is not in the state that `If-Match` names (RFC 9110 section 13.1.1).
    PreconditionFailed,
    /// The access token is a client's, and the route requires a user's.
    NotAUser,
    /// The body is not a JSON object.
    NotJson,
    /// The body is not a form in UTF-8.
    NotForm,
    /// The connection ended before the body.
    Incomplete,
    /// The body has none of these media types.
    MediaType(&'static [&'static str]),
    /// The body is too large.
    TooLarge,
    /// The body did not arrive in time.
    TooSlow,
    /// The name or the password of a login is wrong. The client does not learn which.
    WrongCredentials,
    /// The access token is missing or refused.
    AccessToken(VerifyError),
    /// The token in the body is refused, for this reason.
    TokenInBody(String),
    /// Too many attempts have failed. An attempt may be admitted after this time.
    Throttled(Duration),
    /// Visitors may not register.
    RegistrationClosed,
    /// The password of a login is right, but the user must verify the email address first.
    EmailNotVerified,
    /// The session of a cookie has ended, or the cookie is void.
    SessionEnded,
    /// A page of another origin uses the cookie of a session.
    ForeignOrigin,
    /// The issuer's URL does not allow cookies.
    NoCookies,
    /// The login of the session is older than this time, the maximum for the action.
    ReauthenticationRequired(Duration),
    /// The queue of the hash pool is full.
    Busy,
    /// A dependency is unreachable. Logged where it was noticed.
    Unavailable,
    /// This replica cannot answer, but others may. The connection is closed: behind a balancer of
    /// connections, the client's next connection may reach another replica.
    ReplicaNotReady,
    /// A fault of this service. Logged where it was noticed.
    Internal,
}

/// Returns the seconds after which an attempt is admitted, rounded up.
pub fn retry_after_seconds(wait: Duration) -> u128 {
    wait.as_millis().div_ceil(1000).max(1)
}

impl ApiError {
    fn problem(&self) -> Problem {
        match self {
            Self::Fields(errors) => {
                let mut problem = Problem::new(400, "invalid", "Fields of the request are wrong.");
                problem.errors = errors.clone();
                problem
            }
            Self::InvalidTarget => {
                let detail = "The token may not be for this audience.";
                let mut problem = Problem::new(400, "invalid_target", detail);
                problem.errors.insert("audience".into(), vec![detail.into()]);
                problem
            }
            Self::NotJson => {
                Problem::new(400, "parse_error", "The request's body is not a JSON object.")
            }
            Self::NotForm => {
                Problem::new(400, "parse_error", "The request's body is not a form in UTF-8.")
            }
            Self::Incomplete => {
                Problem::new(400, "parse_error", "The request's body is incomplete.")
            }
            Self::MediaType(accepted) => {
                let detail = format!("The request's body must be {}.", accepted.join(" or "));
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
            Self::Conflict { code, detail } => Problem::new(409, code, *detail),
            Self::PreconditionFailed => {
                let detail = "The resource has changed since it was read. Read it again.";
                Problem::new(412, "precondition_failed", detail)
            }
            Self::NotAUser => {
                Problem::new(403, "permission_denied", "The token is a client's, not a user's.")
            }
            Self::TokenInBody(why) => Problem::new(401, "token_not_valid", why.clone()),
            Self::Throttled(_) => {
                Problem::new(429, "throttled", "Too many attempts have failed. Try again later.")
            }
            Self::RegistrationClosed => {
                let detail = "Visitors may not register. An operator creates users.";
                Problem::new(403, "registration_closed", detail)
            }
            Self::EmailNotVerified => {
                let detail = "The email address is not verified. \
                              A mail with a code is sent, at most ten a day.";
                Problem::new(403, "email_not_verified", detail)
            }
            Self::SessionEnded => {
                Problem::new(401, "session_ended", "The session has ended. Log in again.")
            }
            Self::ForeignOrigin => {
                let detail = "Only a page of this service, or of an origin in BROWSER_ORIGINS, may \
                              use the cookie of a session.";
                Problem::new(403, "foreign_origin", detail)
            }
            Self::NoCookies => {
                let detail = "Cookies need an ISSUER that begins with https://, or is on this \
                              machine.";
                Problem::new(400, "cookies_unavailable", detail)
            }
            Self::ReauthenticationRequired(max_age) => {
                let seconds = max_age.as_secs();
                let detail = format!("The login is older than {seconds} seconds. Log in again.");
                Problem::new(403, "reauthentication_required", detail)
            }
            Self::Busy => Problem::new(
                503,
                "busy",
                "Too many passwords wait for a check at the moment. Try again shortly.",
            ),
            Self::Unavailable | Self::ReplicaNotReady => Problem::new(
                503,
                "unavailable",
                "The service is not available at the moment. Try again shortly.",
            ),
            Self::Internal => Problem::new(500, "error", "An internal error occurred."),
        }
    }
}

impl ApiError {
    /// Returns the reason for a program.
    pub fn code(&self) -> String {
        self.problem().code.to_string()
    }

    /// Returns whether the answer is the last one on its connection: the rest of the body is not
    /// read, or the client's next connection may reach another replica.
    pub fn closes_connection(&self) -> bool {
        matches!(self, Self::TooLarge | Self::TooSlow | Self::ReplicaNotReady)
    }

    /// Returns the `WWW-Authenticate` header of a 403 (RFC 6750 section 3.1, RFC 9470 section 3).
    fn challenge_of_403(&self) -> Option<String> {
        match self {
            Self::MissingPermission(MissingPermission(Permission::Scope(scope))) => {
                Some(insufficient_scope(Some(scope)))
            }
            Self::MissingPermission(_) | Self::NotAUser => Some(insufficient_scope(None)),
            // An access token needs no trusted page.
            Self::ForeignOrigin => Some("Bearer".into()),
            Self::ReauthenticationRequired(max_age) => {
                let max_age = max_age.as_secs();
                let error = "insufficient_user_authentication";
                Some(format!("Bearer error=\"{error}\", max_age=\"{max_age}\""))
            }
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
            return access_token_refused(*why);
        }
        let problem = self.problem();
        let mut response = problem.response();
        if problem.status == 401 {
            // RFC 9110 section 15.5.2.
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        if let Some(challenge) = self.challenge_of_403() {
            response.insert_header((WWW_AUTHENTICATE, challenge));
        }
        if let Self::Throttled(retry_after) = self {
            let seconds = retry_after_seconds(*retry_after);
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if problem.status == 503 {
            response.insert_header((RETRY_AFTER, "1"));
        }
        if self.closes_connection() {
            response.force_close();
        }
        if problem.errors.is_empty() {
            return problem.finish(response);
        }
        let mut fields = problem.errors.clone();
        fields.retain(|name, _| !PROBLEM_MEMBERS.contains(&name.as_str()));
        json_body(response, &FieldProblem { problem, fields })
    }
}

/// The members of a [`Problem`].
const PROBLEM_MEMBERS: [&str; 6] = ["type", "title", "status", "detail", "code", "errors"];

/// Body of an answer that names wrong fields. Each field is also a member at the top level, where
/// clients of Django REST framework look for it. A field with the name of another member, such as
/// `code`, is in `errors` only.
#[derive(Serialize)]
struct FieldProblem {
    #[serde(flatten)]
    problem: Problem,
    #[serde(flatten)]
    fields: FieldErrors,
}

/// Body of an answer to a refused access token, with the list that clients of simplejwt read.
#[derive(Serialize)]
struct TokenProblem {
    #[serde(flatten)]
    problem: Problem,
    messages: [TokenMessage; 1],
}

#[derive(Serialize)]
struct TokenMessage {
    token_class: &'static str,
    token_type: &'static str,
    message: String,
}

fn access_token_refused(why: VerifyError) -> HttpResponse {
    let problem = why.problem();
    if problem.code != "token_not_valid" {
        return why.error_response();
    }
    let message = TokenMessage {
        token_class: "AccessToken",
        token_type: "access",
        message: problem.detail.clone(),
    };
    let mut response = problem.response();
    response.insert_header((WWW_AUTHENTICATE, why.challenge().unwrap_or_default()));
    json_body(response, &TokenProblem { problem, messages: [message] })
}

/// Returns `response` with this body. Its content type is set already.
fn json_body(mut response: HttpResponseBuilder, body: &impl Serialize) -> HttpResponse {
    response.body(serde_json::to_vec(body).unwrap_or_default())
}

impl From<MissingPermission> for ApiError {
    fn from(why: MissingPermission) -> Self {
        Self::MissingPermission(why)
    }
}

impl From<AudienceNotGranted> for ApiError {
    fn from(_: AudienceNotGranted) -> Self {
        Self::InvalidTarget
    }
}

impl From<VerifyError> for ApiError {
    fn from(why: VerifyError) -> Self {
        Self::AccessToken(why)
    }
}

impl ApiError {
    /// Returns the answer to a request whose cookie is refused.
    pub fn of_cookie(why: RefreshError) -> Self {
        match why {
            RefreshError::Token(_) => Self::SessionEnded,
            why => why.into(),
        }
    }
}

impl From<RefreshTokenError> for ApiError {
    fn from(why: RefreshTokenError) -> Self {
        Self::TokenInBody(refusal(why).into())
    }
}

/// Returns the explanation of a refused refresh token.
pub fn refusal(why: RefreshTokenError) -> &'static str {
    match why {
        RefreshTokenError::Invalid => "The refresh token is invalid.",
        RefreshTokenError::Expired => "The refresh token has expired.",
        RefreshTokenError::Superseded => "The refresh token has been replaced by a newer one.",
        RefreshTokenError::Reused => "The refresh token was used before, so its session has ended.",
        RefreshTokenError::OtherUser => "The refresh token belongs to another user.",
        RefreshTokenError::Revoked => "The refresh token's session has ended.",
    }
}

impl From<HashPoolBusy> for ApiError {
    fn from(_: HashPoolBusy) -> Self {
        Self::Busy
    }
}

impl From<Throttled> for ApiError {
    fn from(why: Throttled) -> Self {
        match why {
            Throttled::Refused(refusal) => {
                Self::Throttled(Duration::from_millis(refusal.retry_after_ms.max(0) as u64))
            }
            Throttled::Busy => Self::Busy,
        }
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
