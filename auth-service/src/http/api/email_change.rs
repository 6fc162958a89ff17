//! `POST /email/change` and `POST /email/change/confirm`: a user changes the email address.

use actix_web::{HttpResponse, web::Data};
use service_kit::openapi::{BadBody, Forbidden, TooManyFailures, Unauthorized, Unavailable};
use shared::VerifyError;
use utoipa::ToSchema;

use super::one_time_code::{typed_code, wrong_code};
use crate::{
    accounts::{ConfirmEmailError, EmailChangeRequest, RequestEmailError},
    app::App,
    domain::{email::Email, one_time_code::OneTimeCode, password::Password, session::Origin},
    http::{
        error::ApiError,
        extract::CurrentUser,
        form::{Form, FromForm, Valid},
    },
};

/// The new address, and the current password.
#[derive(ToSchema)]
#[schema(as = EmailChangeRequest)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct RequestFields {
    #[schema(format = Email, max_length = 254, example = "ada@example.org")]
    email: String,
    #[schema(format = Password)]
    password: String,
}

impl FromForm for EmailChangeRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let next = form.trimmed("email", |text| Email::parse_new(&text));
        let password = form.text("password", Password::parse);
        Some(Self { next: next?, password: password? })
    }
}

/// The code from the mail.
#[derive(ToSchema)]
#[schema(as = EmailChange)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct ConfirmFields {
    /// The code, in any case, with or without its hyphens.
    #[schema(min_length = 1, example = "7K3M-QX9V-2B4D")]
    code: String,
}

/// A code that the user got by mail. `None` if the text is no code.
pub struct MailedCode(pub Option<OneTimeCode>);

impl FromForm for MailedCode {
    fn from_form(form: &mut Form) -> Option<Self> {
        form.text("code", typed_code).map(Self)
    }
}

/// Request a change of the email address.
///
/// The new address gets a mail with a code. The account keeps its address until the code is used.
/// The answer is the same if another user has the new address.
#[utoipa::path(
    post,
    path = "/email/change",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    request_body = RequestFields,
    responses(
        (status = 202, description = "A mail will be sent if the user can take the address."),
        BadBody, Unauthorized, Forbidden, TooManyFailures, Unavailable,
    )
)]
pub async fn request_email_change(
    app: Data<App>,
    CurrentUser(claims): CurrentUser,
    origin: Origin,
    Valid(request): Valid<EmailChangeRequest>,
) -> Result<HttpResponse, ApiError> {
    app.accounts.request_email_change(&claims, request, origin).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Change the email address.
///
/// Spends the code from the mail to the new address. The account then has the new address,
/// verified. The former address gets a mail with a code that undoes the change, unless it is another
/// spelling of the new one. Other codes of the user become void, except codes that undo earlier
/// changes.
#[utoipa::path(
    post,
    path = "/email/change/confirm",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    request_body = ConfirmFields,
    responses(
        (status = 204, description = "The address has changed."),
        BadBody, Unauthorized, Forbidden, TooManyFailures, Unavailable,
    )
)]
pub async fn confirm_email_change(
    app: Data<App>,
    CurrentUser(claims): CurrentUser,
    origin: Origin,
    Valid(MailedCode(code)): Valid<MailedCode>,
) -> Result<HttpResponse, ApiError> {
    app.accounts.change_email(&claims, code, origin).await?;
    Ok(HttpResponse::NoContent().finish())
}

impl From<RequestEmailError> for ApiError {
    fn from(why: RequestEmailError) -> Self {
        match why {
            RequestEmailError::Password(why) => why.into(),
            RequestEmailError::Unchanged => {
                Form::single_error("email", "This is your address already.")
            }
        }
    }
}

impl From<ConfirmEmailError> for ApiError {
    fn from(why: ConfirmEmailError) -> Self {
        match why {
            ConfirmEmailError::WrongCode => wrong_code(),
            // The sessions of a deleted user have ended.
            ConfirmEmailError::UnknownUser => VerifyError::Revoked.into(),
            ConfirmEmailError::Throttled(why) => why.into(),
            ConfirmEmailError::Store(why) => why.into(),
        }
    }
}
