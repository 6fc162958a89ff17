//! `POST /register`: a new user.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use service_kit::openapi::{BadBody, Unavailable};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    accounts::{Registered, Registration, RegistrationError},
    app::App,
    domain::{email::Email, password::Password, session::Origin, username::Username},
    http::{
        error::ApiError,
        form::{Form, FromForm, Valid},
    },
    store::users::Taken,
};

/// What a visitor registers with.
#[derive(ToSchema)]
#[schema(as = RegisterRequest)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct RegistrationFields {
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    /// Letters, digits and `_.-`. Unique without regard to case.
    #[schema(min_length = 3, max_length = 150, example = "ada")]
    username: String,
    /// At most 1024 bytes, not a common one, and neither the username nor the email address.
    #[schema(format = Password, min_length = 8, max_length = 1024, example = "correct horse battery")]
    password: String,
}

impl FromForm for Registration {
    fn from_form(form: &mut Form) -> Option<Self> {
        let email = form.text("email", |text| Email::parse(&text));
        let username = form.text("username", |text| Username::parse(&text));
        let password = form.text("password", Password::parse_new);
        if let Some(password) = &password {
            if username.as_ref().is_some_and(|username| password.equals_ignoring_case(username.as_str())) {
                form.wrong("password", "The password is the same as the username.");
            }
            if email.as_ref().is_some_and(|email| password.equals_ignoring_case(email.as_str())) {
                form.wrong("password", "The password is the same as the email.");
            }
        }
        Some(Self { email: email?, username: username?, password: password? })
    }
}

/// The new user.
#[derive(Serialize, ToSchema)]
#[schema(as = Registered)]
struct RegistrationResponse<'a> {
    /// The claim `sub` of the user's tokens.
    id: Uuid,
    email: &'a str,
    username: &'a str,
}

/// Registers a user.
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
        form.wrong("username", "A user with that username already exists.");
    }
    if taken.email {
        form.wrong("email", "A user with that email already exists.");
    }
    form.into_error()
}
