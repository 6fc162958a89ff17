//! `POST /register`: registers a user.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web::Data};
use serde::Serialize;
use service_kit::openapi::{BadBody, Responses, TooManyFailures, Unavailable, error_responses};
use shared::problem;
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

use super::one_time_code::typed_code;
use crate::{
    accounts::{Registered, Registration, RegistrationError, Taken},
    app::App,
    domain::{
        account_rules::Registration as RegistrationMode, email::Email, language::Language,
        session::Origin, username::Username,
    },
    http::{
        error::ApiError,
        extract::AcceptedLanguage,
        form::{Form, FromForm, PASSWORD_OF_NAMES, Valid},
    },
};

/// Names and password of the new user.
#[derive(ToSchema)]
#[schema(as = RegisterRequest)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct RegistrationFields {
    #[schema(format = Email, max_length = 254, example = "ada@example.com")]
    email: String,
    /// Letters, digits and `_.-`, of one script. No two users have names that differ only in case.
    /// Names such as `admin`, names that look like them, and names of users who were deleted lately
    /// are refused.
    #[schema(min_length = 3, max_length = 150, example = "ada")]
    username: String,
    /// At most 1024 bytes. Not a common password, not one repeated character, and not made of words
    /// of the username, the email address or the name of the service.
    #[schema(
        format = Password, min_length = 8, max_length = 1024, example = "correct horse battery"
    )]
    password: String,
    /// The code of an invitation to this address, in any case, with or without its hyphens.
    /// Required with REGISTRATION=invite. The user gets the scopes and roles of the invitation.
    #[schema(nullable = false, min_length = 1, example = "7K3M-QX9V-2B4D")]
    invitation: Option<String>,
}

const WRONG_INVITATION: &str = "The invitation is wrong, has been used, or has expired.";

impl FromForm for Registration {
    fn from_form(form: &mut Form) -> Option<Self> {
        let rules = form.rules();
        let email = form.trimmed("email", |text| Email::parse_new(&text));
        let username = form.trimmed("username", |text| {
            let name = Username::parse(&text)?;
            rules.names.check(&name).map_err(|why| vec![why.to_string()])?;
            Ok(name)
        });
        let password = form.new_password("password");
        if let Some(password) = &password {
            let username = username.as_ref().map_or("", Username::as_str);
            let email = email.as_ref().map_or("", Email::as_str);
            if password.is_made_of_names(&rules.passwords, username, email) {
                form.add_error("password", PASSWORD_OF_NAMES);
            }
        }
        let invitation = match rules.registration {
            RegistrationMode::Invite => form.text("invitation", typed_code).map(Some),
            _ => form.optional("invitation", typed_code),
        };
        Some(Self {
            email: email?,
            username: username?,
            password: password?,
            language: Language::default(),
            invitation: invitation?,
        })
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

/// Response if visitors may not register.
struct RegistrationClosed;

impl IntoResponses for RegistrationClosed {
    fn responses() -> Responses {
        let closed = "Visitors may not register: code `registration_closed`.";
        error_responses("Problem", problem::CONTENT_TYPE, &[("403", closed, &[])])
    }
}

/// Register.
///
/// A registration begins no session. The user logs in next. With EMAIL_VERIFICATION=optional and
/// required, the user gets a mail with a code for `/email/verify/confirm`. With required, a login
/// needs a verified address. If another user has the address, the answer is the same, and that user
/// gets a mail. With an invitation, the answer states that the address is taken.
#[utoipa::path(
    post,
    path = "/register",
    tag = "people",
    request_body = RegistrationFields,
    responses(
        (status = 201, description = "Registered.", body = RegistrationResponse),
        BadBody, RegistrationClosed, TooManyFailures, Unavailable,
    )
)]
pub async fn register(
    app: Data<App>,
    _: OpenRegistration,
    origin: Origin,
    AcceptedLanguage(language): AcceptedLanguage,
    Valid(registration): Valid<Registration>,
) -> Result<HttpResponse, ApiError> {
    let registration = Registration { language, ..registration };
    let Registered { id, email, username } = app.accounts.register(registration, origin).await?;
    let response = RegistrationResponse { id, email: email.as_str(), username: username.as_str() };
    Ok(HttpResponse::Created().json(response))
}

/// Proof that visitors may register. An argument before the body, so that a closed registration is
/// answered whatever the body is.
pub struct OpenRegistration;

impl FromRequest for OpenRegistration {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let app = request.app_data::<Data<App>>().ok_or(ApiError::Internal);
        let open = app.and_then(|app| Ok(app.accounts.require_open_registration()?));
        ready(open.map(|()| Self))
    }
}

impl From<RegistrationError> for ApiError {
    fn from(why: RegistrationError) -> Self {
        match why {
            RegistrationError::Closed => Self::RegistrationClosed,
            RegistrationError::Taken(taken) => taken_fields(taken),
            RegistrationError::Name(why) => Form::single_error("username", &why.to_string()),
            RegistrationError::WrongInvitation => {
                Form::single_error("invitation", WRONG_INVITATION)
            }
            RegistrationError::Throttled(why) => why.into(),
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
