//! `POST /password/reset`: mails a code with which a user sets a new password.

use actix_web::{HttpResponse, web::Data};
use service_kit::openapi::{BadBody, TooManyFailures, Unavailable};
use utoipa::ToSchema;

use crate::{
    accounts::RequestCodeError,
    app::App,
    domain::{login_key::LoginKey, session::Origin},
    http::{
        api::login::login_name,
        error::ApiError,
        form::{Form, FromForm, Valid},
    },
};

/// A `username` or an `email`.
#[derive(ToSchema)]
#[schema(as = PasswordResetMailRequest, example = json!({"email": "ada@example.com"}))]
#[expect(dead_code, reason = "describes the fields of the form")]
struct PasswordResetMailFields {
    #[schema(nullable = false, min_length = 1)]
    username: Option<String>,
    #[schema(nullable = false, min_length = 1)]
    email: Option<String>,
}

/// The name of a user who lost the password.
pub struct PasswordResetMailRequest {
    /// `None` if no user can have the name.
    pub key: Option<LoginKey>,
}

impl FromForm for PasswordResetMailRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        login_name(form).map(|name| Self { key: LoginKey::parse(&name) })
    }
}

/// Request a code that resets the password.
///
/// A user who exists gets a mail with a code and a link. The password stays valid until the code is
/// used at `POST /password/reset/confirm`. The answer is the same if there is no such user. An
/// address gets at most ten of these mails a day. Each request counts as a failure of the client's
/// address.
#[utoipa::path(
    post,
    path = "/password/reset",
    tag = "people",
    request_body = PasswordResetMailFields,
    responses(
        (status = 202, description = "A mail will be sent if there is such a user."),
        BadBody, TooManyFailures, Unavailable,
    )
)]
pub async fn password_reset(
    app: Data<App>,
    origin: Origin,
    Valid(request): Valid<PasswordResetMailRequest>,
) -> Result<HttpResponse, ApiError> {
    app.accounts.request_password_reset(request.key, origin).await?;
    Ok(HttpResponse::Accepted().finish())
}

impl From<RequestCodeError> for ApiError {
    fn from(why: RequestCodeError) -> Self {
        match why {
            RequestCodeError::Throttled(why) => why.into(),
            RequestCodeError::Store(why) => why.into(),
        }
    }
}
