//! `POST /password`: replaces a user's password.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use service_kit::openapi::{BadBody, Forbidden, TooManyFailures, Unauthorized, Unavailable};
use shared::VerifyError;
use utoipa::ToSchema;

use crate::{
    accounts::{ChangePasswordError, PasswordChangeRequest},
    app::App,
    domain::{password::Password, session::Origin},
    http::{
        cookies,
        error::ApiError,
        extract::CurrentUser,
        form::{Form, FromForm, PASSWORD_OF_NAMES, Valid},
    },
    tokens::{Credential, SessionTokens},
};

/// The current password, and the new one.
#[derive(ToSchema)]
#[schema(as = PasswordRequest)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct PasswordFields {
    #[schema(format = Password)]
    old_password: String,
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    new_password: String,
    /// Whether the session of the access token stays alive, with new tokens. All other sessions end.
    #[schema(default = false, required = false)]
    keep_session: bool,
}

impl FromForm for PasswordChangeRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let current = form.text("old_password", Password::parse);
        let next = form.new_password("new_password");
        let keep_session = form.flag("keep_session");
        Some(Self { current: current?, next: next?, keep_session: keep_session? })
    }
}

/// Change the password.
///
/// All sessions of the user end. With `keep_session`, the session of the access token stays alive: the
/// answer has its new tokens, and its older refresh tokens are void. An older access token of that
/// session is accepted until it expires.
#[utoipa::path(
    post,
    path = "/password",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    request_body = PasswordFields,
    responses(
        (status = 200, description = "The password has changed: the new tokens of the session.",
            body = SessionTokens),
        (status = 204, description = "The password has changed, and all sessions have ended."),
        BadBody, Unauthorized, Forbidden, TooManyFailures, Unavailable,
    )
)]
pub async fn password(
    app: Data<App>,
    http: HttpRequest,
    CurrentUser(claims): CurrentUser,
    credential: Credential,
    origin: Origin,
    Valid(request): Valid<PasswordChangeRequest>,
) -> Result<HttpResponse, ApiError> {
    let kept = app.accounts.change_password(&claims, request, credential, origin).await?;
    let Some(tokens) = kept else {
        cookies::end(&http, &app, credential);
        return Ok(HttpResponse::NoContent().finish());
    };
    if let Some(cookie) = &tokens.cookie {
        cookies::set(&http, &app, cookie, None);
    }
    Ok(HttpResponse::Ok().json(tokens))
}

impl From<ChangePasswordError> for ApiError {
    fn from(why: ChangePasswordError) -> Self {
        match why {
            ChangePasswordError::WrongPassword => {
                Form::single_error("old_password", "The password is wrong.")
            }
            ChangePasswordError::MadeOfNames => {
                Form::single_error("new_password", PASSWORD_OF_NAMES)
            }
            // The sessions of a deleted user have ended.
            ChangePasswordError::UnknownUser => VerifyError::Revoked.into(),
            ChangePasswordError::Throttled(why) => why.into(),
            ChangePasswordError::Contended => Self::Unavailable,
            ChangePasswordError::NoSigningKey(why) => why.into(),
            ChangePasswordError::Busy(why) => why.into(),
            ChangePasswordError::Store(why) => why.into(),
        }
    }
}
