//! `POST /login`: begins a session.

use actix_web::web::{Data, Json};
use serde::Serialize;
use service_kit::openapi::{BadBody, Unauthorized, Unavailable};
use utoipa::ToSchema;

use crate::{
    accounts::{LoggedIn, LoginError, LoginRequest},
    app::App,
    domain::{login_key::LoginKey, password::Password, session::Origin},
    http::{
        error::ApiError,
        form::{Form, FromForm, Valid, not_blank},
    },
    tokens::TokenPair,
};

/// A `username` or an `email`, and the `password`.
#[derive(ToSchema)]
#[schema(
    as = LoginRequest,
    example = json!({"username": "ada", "password": "correct horse battery"})
)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct LoginFields {
    #[schema(nullable = false, min_length = 1)]
    username: Option<String>,
    #[schema(nullable = false, min_length = 1)]
    email: Option<String>,
    #[schema(format = Password, min_length = 1)]
    password: String,
}

impl FromForm for LoginRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let name = if form.has("email") && form.has("username") {
            form.add_error("email", "Give a username or an email, not both.");
            form.text("email", not_blank).and(form.text("username", not_blank))
        } else {
            let field = if form.has("email") { "email" } else { "username" };
            form.text(field, not_blank)
        };
        let password = form.text("password", Password::parse);
        Some(Self { key: LoginKey::parse(&name?), password: password? })
    }
}

/// The user, and the first token pair of the session.
#[derive(Serialize, ToSchema)]
#[schema(as = LoggedIn)]
pub struct LoginResponse {
    username: String,
    email: String,
    tokens: TokenPair,
}

/// Log in.
///
/// A login begins a session. The answer contains the session's first token pair.
#[utoipa::path(
    post,
    path = "/login",
    tag = "people",
    request_body = LoginFields,
    responses(
        (status = 200, description = "Logged in.", body = LoginResponse),
        BadBody, Unauthorized, Unavailable,
    )
)]
pub async fn login(
    app: Data<App>,
    origin: Origin,
    Valid(request): Valid<LoginRequest>,
) -> Result<Json<LoginResponse>, ApiError> {
    let LoggedIn { username, email, tokens } = app.accounts.log_in(request, origin).await?;
    Ok(Json(LoginResponse { username, email, tokens }))
}

impl From<LoginError> for ApiError {
    fn from(why: LoginError) -> Self {
        match why {
            LoginError::Refused(_) => Self::WrongCredentials,
            LoginError::Contended => Self::Unavailable,
            LoginError::NoSigningKey(why) => why.into(),
            LoginError::Busy(why) => why.into(),
            LoginError::Store(why) => why.into(),
        }
    }
}
