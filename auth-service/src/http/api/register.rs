//! `POST /register`: registers a user.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use service_kit::openapi::{BadBody, Unavailable};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    accounts::{Registered, Registration, RegistrationError, Taken},
    app::App,
    domain::{email::Email, password::Password, session::Origin, username::Username},
    http::{
        error::ApiError,
        form::{Form, FromForm, Valid},
    },
};

/// Names and password of the new user.
#[derive(ToSchema)]
#[schema(as = RegisterRequest)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct RegistrationFields {
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    /// Letters, digits and `_.-`. No two users have names that differ only in case.
    #[schema(min_length = 3, max_length = 150, example = "ada")]
    username: String,
    /// At most 1024 bytes. Not a common password, and neither the username nor the email address.
    #[schema(
        format = Password, min_length = 8, max_length = 1024, example = "correct horse battery"
    )]
    password: String,
}

impl FromForm for Registration {
    fn from_form(form: &mut Form) -> Option<Self> {
        let email = form.text("email", |text| Email::parse(&text));
        let username = form.text("username", |text| Username::parse(&text));
        let password = form.text("password", Password::parse_new);
        if let Some(password) = &password {
            let equals =
                |name: Option<&str>| name.is_some_and(|name| password.equals_ignoring_case(name));
            if equals(username.as_ref().map(Username::as_str)) {
                form.add_error("password", "The password is the same as the username.");
            }
            if equals(email.as_ref().map(Email::as_str)) {
                form.add_error("password", "The password is the same as the email.");
            }
        }
        Some(Self { email: email?, username: username?, password: password? })
    }
}

/// The new user.
#[derive(Serialize, ToSchema)]
#[schema(as = Registered)]
struct RegistrationResponse<'a> {
    /// Id of the user, which the user's tokens name as `sub`.
    id: Uuid,
    email: &'a str,
    username: &'a str,
}

/// Register.
///
/// A registration begins no session. The user logs in next.
#[utoipa::path(
    post,
    path = "/register",
    tag = "people",
    request_body = RegistrationFields,
    responses(
        (status = 201, description = "Registered.", body = RegistrationResponse),
        BadBody, Unavailable,
    )
)]
pub async fn register(
    app: Data<App>,
    origin: Origin,
    Valid(registration): Valid<Registration>,
) -> Result<HttpResponse, ApiError> {
    let Registered { id, email, username } = app.accounts.register(registration, origin).await?;
    let response = RegistrationResponse { id, email: email.as_str(), username: username.as_str() };
    Ok(HttpResponse::Created().json(response))
}

impl From<RegistrationError> for ApiError {
    fn from(why: RegistrationError) -> Self {
        match why {
            RegistrationError::Taken(taken) => taken_fields(taken),
            RegistrationError::Contended => Self::Unavailable,
            RegistrationError::Busy(why) => why.into(),
            RegistrationError::Store(why) => why.into(),
        }
    }
}

fn taken_fields(taken: Taken) -> ApiError {
    let mut form = Form::default();
    if taken.username {
        form.add_error("username", "A user with that username already exists.");
    }
    if taken.email {
        form.add_error("email", "A user with that email already exists.");
    }
    form.into_error()
}
