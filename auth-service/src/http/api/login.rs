//! `POST /login`: begins a session.

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};
use serde::Serialize;
use service_kit::openapi::{
    BadBody, Responses, TooManyFailures, Unauthorized, Unavailable, error_responses,
};
use shared::problem;
use utoipa::{IntoResponses, ToSchema};

use crate::{
    accounts::{LoggedIn, LoginError, LoginName, LoginRequest, Refusal},
    app::App,
    domain::{password::Password, session::Origin},
    http::{
        cookies,
        error::ApiError,
        extract::BearerToken,
        form::{Form, FromForm, Valid},
        oauth::AudienceSchema,
    },
    tokens::{Credential, SessionTokens},
};

/// A `username` or an `email`, and the `password`.
#[derive(ToSchema)]
#[schema(
    as = LoginRequest,
    example = json!({"username": "ada", "password": "correct horse battery"})
)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct LoginFields {
    #[schema(nullable = false, min_length = 1)]
    username: Option<String>,
    #[schema(nullable = false, min_length = 1)]
    email: Option<String>,
    #[schema(format = Password, min_length = 1)]
    password: String,
    /// A refresh token of an earlier login of the user, which may have expired. It shows that the
    /// device is known to the user, so failures of other clients do not delay this login.
    #[schema(nullable = false)]
    refresh: Option<String>,
    /// Services that the tokens of the session are for: one, or a list. Missing: all of them, and
    /// the user's account.
    #[schema(nullable = false)]
    audience: Option<AudienceSchema>,
    /// Whether the browser keeps the session in a cookie. The answer then has no refresh token.
    #[schema(default = false, required = false)]
    cookie: FlagSchema,
}

/// A boolean. In a form, a text such as `true`, `on` or `0`.
#[derive(ToSchema)]
#[serde(untagged)]
#[schema(as = Flag)]
#[expect(dead_code, reason = "describes a field of the form")]
enum FlagSchema {
    Boolean(bool),
    Text(String),
}

/// Reads the name of a user, who gives a `username` or an `email`.
pub fn login_name(form: &mut Form) -> Option<String> {
    if form.has("email") && form.has("username") {
        form.add_error("email", "Give a username or an email, not both.");
        form.trimmed("email", Ok).and(form.trimmed("username", Ok))
    } else {
        let field = if form.has("email") { "email" } else { "username" };
        form.trimmed(field, Ok)
    }
}

impl FromForm for LoginRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let name = login_name(form);
        let password = form.text("password", Password::parse);
        let refresh = form.optional("refresh", Ok);
        let audiences = form.texts("audience");
        let cookie = form.flag("cookie");
        let credential = if cookie? { Credential::Cookie } else { Credential::RefreshToken };
        Some(Self {
            name: LoginName::new(name?),
            password: password?,
            earlier_tokens: refresh?.into_iter().collect(),
            audiences: audiences?,
            credential,
            mails_code: true,
        })
    }
}

/// The user, and the first token pair of the session.
#[derive(Serialize, ToSchema)]
#[schema(as = LoggedIn)]
pub struct LoginResponse {
    username: String,
    email: String,
    tokens: SessionTokens,
}

/// Response if the user must verify the email address first.
struct EmailNotVerified;

impl IntoResponses for EmailNotVerified {
    fn responses() -> Responses {
        let unverified = "The password is right, but the user must verify the email address first \
                          (EMAIL_VERIFICATION=required). A mail with a code is sent, at most ten a \
                          day: code `email_not_verified`.";
        error_responses("Problem", problem::CONTENT_TYPE, &[("403", unverified, &[])])
    }
}

/// Log in.
///
/// A login begins a session. The answer contains the session's first token pair. After several
/// failures in a row, further logins with the name are delayed, except from a device or an address
/// of an earlier login: an `Authorization` header, `refresh` or a cookie of that login shows the
/// device.
///
/// With `cookie`, the answer sets the cookie of the session, which scripts cannot read, and has an
/// access token only. The request must come from a page of the issuer or of `BROWSER_ORIGINS`.
#[utoipa::path(
    post,
    path = "/login",
    tag = "people",
    request_body = LoginFields,
    responses(
        (status = 200, description = "Logged in.", body = LoginResponse),
        BadBody, Unauthorized, EmailNotVerified, TooManyFailures, Unavailable,
    )
)]
pub async fn login(
    app: Data<App>,
    http: HttpRequest,
    origin: Origin,
    BearerToken(token): BearerToken,
    Valid(mut request): Valid<LoginRequest>,
) -> Result<Json<LoginResponse>, ApiError> {
    request.earlier_tokens.extend(token);
    request.earlier_tokens.extend(cookies::earlier_logins(&http, &app));
    if request.credential == Credential::Cookie {
        cookies::require_policy(&app)?;
        // Another site could log a user in to the account of an attacker.
        if !cookies::is_from_trusted_page(&http, &app) {
            return Err(ApiError::ForeignOrigin);
        }
    }
    let logged_in = app.accounts.log_in(request, origin.clone()).await?;
    cookies::set_logged_in(&http, &app, origin, &logged_in).await;
    let LoggedIn { username, email, tokens, .. } = logged_in;
    Ok(Json(LoginResponse { username, email, tokens }))
}

impl From<LoginError> for ApiError {
    fn from(why: LoginError) -> Self {
        match why {
            LoginError::Refused(Refusal::Unverified) => Self::EmailNotVerified,
            LoginError::Refused(_) => Self::WrongCredentials,
            LoginError::Throttled(why) => why.into(),
            LoginError::Audience(why) => why.into(),
            LoginError::Contended => Self::Unavailable,
            LoginError::NoSigningKey(why) => why.into(),
            LoginError::Busy(why) => why.into(),
            LoginError::Store(why) => why.into(),
        }
    }
}
