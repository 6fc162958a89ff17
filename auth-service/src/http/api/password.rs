//! `POST /password`: replaces a user's password.

use actix_web::{HttpResponse, web::Data};
use service_kit::openapi::{BadBody, Forbidden, Unauthorized, Unavailable};
use shared::VerifyError;
use utoipa::ToSchema;

use crate::{
    accounts::{ChangePasswordError, PasswordChangeRequest},
    app::App,
    domain::{password::Password, session::Origin},
    http::{
        error::ApiError,
        extract::CurrentUser,
        form::{Form, FromForm, Valid},
    },
};

/// The current password, and the new one.
#[derive(ToSchema)]
#[schema(as = PasswordRequest)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct PasswordFields {
    #[schema(format = Password)]
    old_password: String,
    #[schema(format = Password, min_length = 8, max_length = 1024)]
    new_password: String,
    /// Whether the session of the access token stays alive. All other sessions end.
    #[schema(default = false, required = false)]
    keep_session: bool,
}

impl FromForm for PasswordChangeRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let current = form.text("old_password", Password::parse);
        let next = form.text("new_password", Password::parse_new);
        let keep_session = form.flag("keep_session");
        Some(Self { current: current?, next: next?, keep_session: keep_session? })
    }
}

/// Change the password.
///
/// All sessions of the user end. With `keep_session`, the session of the access token stays alive.
#[utoipa::path(
    post,
    path = "/password",
    tag = "people",
    security(("bearer" = [])),
    request_body = PasswordFields,
    responses(
        (status = 204, description = "The password has changed."),
        BadBody, Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn password(
    app: Data<App>,
    CurrentUser(claims): CurrentUser,
    origin: Origin,
    Valid(request): Valid<PasswordChangeRequest>,
) -> Result<HttpResponse, ApiError> {
    app.accounts.change_password(&claims, request, origin).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<ChangePasswordError> for ApiError {
    fn from(why: ChangePasswordError) -> Self {
        match why {
            ChangePasswordError::WrongPassword => {
                Form::single_error("old_password", "The password is wrong.")
            }
            ChangePasswordError::SameAsName => {
                let message = "The password is the same as the username or the email.";
                Form::single_error("new_password", message)
            }
            // The sessions of a deleted user have ended.
            ChangePasswordError::UnknownUser => VerifyError::Revoked.into(),
            ChangePasswordError::Contended => Self::Unavailable,
            ChangePasswordError::Busy(why) => why.into(),
            ChangePasswordError::Store(why) => why.into(),
        }
    }
}
