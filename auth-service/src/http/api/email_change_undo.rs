//! `POST /email/change/undo`: the owner of a former email address takes the account back.

use actix_web::{HttpResponse, web::Data};
use service_kit::openapi::{BadBody, TooManyFailures, Unavailable};
use utoipa::ToSchema;

use super::one_time_code::typed_code;
use crate::{
    app::App,
    domain::{email::Email, one_time_code::OneTimeCode, session::Origin},
    http::{
        error::ApiError,
        form::{Form, FromForm, Valid},
    },
};

/// The former address, and the code that was mailed there.
#[derive(ToSchema)]
#[schema(as = EmailChangeUndo)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct UndoFields {
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    /// The code, in any case, with or without its hyphens.
    #[schema(min_length = 1, example = "7K3M-QX9V-2B4D")]
    code: String,
}

/// A former address and a code.
pub struct EmailChangeUndo {
    pub former: Email,
    /// `None` if the text is no code.
    pub code: Option<OneTimeCode>,
}

impl FromForm for EmailChangeUndo {
    fn from_form(form: &mut Form) -> Option<Self> {
        let former = form.trimmed("email", |text| Email::parse(&text));
        let code = form.text("code", typed_code);
        Some(Self { former: former?, code: code? })
    }
}

/// Undo a change of the email address.
///
/// For the owner of an account that a thief has taken over. Needs no access token. The account has
/// the former address again, all sessions end, the password is void, and the address gets a mail
/// with a code that sets a new password. After several changes, the code of an earlier change voids
/// the codes of later ones.
#[utoipa::path(
    post,
    path = "/email/change/undo",
    tag = "people",
    request_body = UndoFields,
    responses(
        (status = 204, description = "The account has the former address."),
        BadBody, TooManyFailures, Unavailable,
    )
)]
pub async fn undo_email_change(
    app: Data<App>,
    origin: Origin,
    Valid(EmailChangeUndo { former, code }): Valid<EmailChangeUndo>,
) -> Result<HttpResponse, ApiError> {
    app.accounts.undo_email_change(former, code, origin).await?;
    Ok(HttpResponse::NoContent().finish())
}
