//! `POST /email/verify/request` and `POST /email/verify/confirm`: a user proves to read the mail of
//! the account's address.

use actix_web::{HttpResponse, web::Data};
use service_kit::openapi::{BadBody, Forbidden, TooManyFailures, Unauthorized, Unavailable};
use utoipa::ToSchema;

use super::one_time_code::typed_code;
use crate::{
    accounts::UserKey,
    app::App,
    domain::{email::Email, login_key::LoginKey, one_time_code::OneTimeCode, session::Origin},
    http::{
        error::ApiError,
        extract::MaybeUser,
        form::{Form, FromForm, REQUIRED, Valid},
    },
    tokens::Credential,
};

/// Empty with an access token. Without one, the address to verify.
#[derive(ToSchema)]
#[schema(as = EmailVerificationRequest, example = json!({"email": "ada@example.com"}))]
#[expect(dead_code, reason = "describes the fields of the form")]
struct RequestFields {
    #[schema(nullable = false, format = Email, max_length = 254)]
    email: Option<String>,
}

/// The code from the mail. Without an access token, also the address.
#[derive(ToSchema)]
#[schema(
    as = EmailVerification,
    example = json!({"email": "ada@example.com", "code": "7K3M-QX9V-2B4D"})
)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct ConfirmFields {
    #[schema(nullable = false, format = Email, max_length = 254)]
    email: Option<String>,
    /// The code, in any case, with or without its hyphens.
    #[schema(min_length = 1, example = "7K3M-QX9V-2B4D")]
    code: String,
}

/// The address of a request without an access token.
pub struct EmailVerificationRequest {
    pub email: Option<Email>,
}

impl FromForm for EmailVerificationRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        Some(Self { email: form.optional("email", |text| Email::parse(text.trim()))? })
    }
}

/// A code, and the address of a request without an access token.
pub struct EmailVerification {
    pub email: Option<Email>,
    /// `None` if the text is no code.
    pub code: Option<OneTimeCode>,
}

impl FromForm for EmailVerification {
    fn from_form(form: &mut Form) -> Option<Self> {
        let email = form.optional("email", |text| Email::parse(text.trim()));
        let code = form.text("code", typed_code);
        Some(Self { email: email?, code: code? })
    }
}

/// Returns the user of the access token, or without one the user of the address, or without an
/// address the user of the cookie.
///
/// # Errors
/// If the request has neither.
pub fn user_key(user: MaybeUser, email: Option<Email>) -> Result<UserKey, ApiError> {
    match (user.claims, email) {
        // A browser sends the cookie with every request, so the address decides.
        (Some(claims), Some(_)) if user.credential == Credential::RefreshToken => {
            Ok(UserKey::Id(claims.sub.clone()))
        }
        (_, Some(email)) => Ok(UserKey::Login(LoginKey::Email(email.keys()))),
        (Some(claims), None) => Ok(UserKey::Id(claims.sub.clone())),
        (None, None) => Err(Form::single_error("email", REQUIRED)),
    }
}

/// Request a code that verifies the email address.
///
/// A user who exists and has not verified the address gets a mail with a code and a link. The answer
/// is the same if there is no such user. An address gets at most ten of these mails a day, and ten
/// more for requests with an access token, which must be one of a user, for the issuer. Each request
/// without one counts as a failure of the client's address.
#[utoipa::path(
    post,
    path = "/email/verify/request",
    tag = "people",
    security((), ("bearer" = []), ("cookie" = [])),
    request_body = Option<RequestFields>,
    responses(
        (status = 202, description = "A mail will be sent if there is such a user."),
        BadBody, Unauthorized, Forbidden, TooManyFailures, Unavailable,
    )
)]
pub async fn request_verification(
    app: Data<App>,
    user: MaybeUser,
    origin: Origin,
    Valid(request): Valid<EmailVerificationRequest>,
) -> Result<HttpResponse, ApiError> {
    let key = user_key(user, request.email)?;
    app.accounts.request_email_verification(key, origin).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Verify the email address.
///
/// Spends the code from the mail. A wrong code and an unknown user get the same answer. An access
/// token must be one of a user, for the issuer.
#[utoipa::path(
    post,
    path = "/email/verify/confirm",
    tag = "people",
    security((), ("bearer" = []), ("cookie" = [])),
    request_body = ConfirmFields,
    responses(
        (status = 204, description = "The address is verified."),
        BadBody, Unauthorized, Forbidden, TooManyFailures, Unavailable,
    )
)]
pub async fn confirm_verification(
    app: Data<App>,
    user: MaybeUser,
    origin: Origin,
    Valid(request): Valid<EmailVerification>,
) -> Result<HttpResponse, ApiError> {
    let key = user_key(user, request.email)?;
    app.accounts.verify_email(key, request.code, origin).await?;
    Ok(HttpResponse::NoContent().finish())
}
