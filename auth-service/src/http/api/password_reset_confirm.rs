//! `POST /password/reset/confirm`: sets a password with a one-time code.

use actix_web::{HttpResponse, web::Data};
use service_kit::openapi::{BadBody, TooManyFailures, Unavailable};
use utoipa::ToSchema;

use super::one_time_code::{typed_code, wrong_code};
use crate::{
    accounts::{PasswordResetRequest, ResetPasswordError},
    app::App,
    domain::{login_key::LoginKey, session::Origin},
    http::{
        api::login::login_name,
        error::ApiError,
        form::{Form, FromForm, PASSWORD_OF_NAMES, Valid},
    },
};

/// A `username` or an `email`, the code, and the new password.
#[derive(ToSchema)]
#[schema(
    as = PasswordResetRequest,
    example = json!({
        "email": "ada@example.com", "code": "7K3M-QX9V-2B4D",
        "new_password": "a better horse battery"
    })
)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct PasswordResetFields {
    #[schema(nullable = false, min_length = 1)]
    username: Option<String>,
    #[schema(nullable = false, min_length = 1)]
    email: Option<String>,
    /// The code, in any case, with or without its hyphens.
    #[schema(min_length = 1, example = "7K3M-QX9V-2B4D")]
    code: String,
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    new_password: String,
}

impl FromForm for PasswordResetRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let name = login_name(form);
        let code = form.text("code", typed_code);
        let next = form.new_password("new_password");
        let key = LoginKey::parse(&name?);
        Some(Self { key, code: code?, next: next? })
    }
}

/// Set a password with a code.
///
/// Spends a one-time code: sets the password and ends all sessions of the user. A code works once,
/// and until the user changes. A wrong code and an unknown user get the same answer.
#[utoipa::path(
    post,
    path = "/password/reset/confirm",
    tag = "people",
    request_body = PasswordResetFields,
    responses(
        (status = 204, description = "The password has changed."),
        BadBody, TooManyFailures, Unavailable,
    )
)]
pub async fn password_reset_confirm(
    app: Data<App>,
    origin: Origin,
    Valid(request): Valid<PasswordResetRequest>,
) -> Result<HttpResponse, ApiError> {
    app.accounts.reset_password(request, origin).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<ResetPasswordError> for ApiError {
    fn from(why: ResetPasswordError) -> Self {
        match why {
            ResetPasswordError::WrongCode => wrong_code(),
            ResetPasswordError::MadeOfNames => {
                Form::single_error("new_password", PASSWORD_OF_NAMES)
            }
            ResetPasswordError::Throttled(why) => why.into(),
            ResetPasswordError::Busy(why) => why.into(),
            ResetPasswordError::Store(why) => why.into(),
        }
    }
}
