//! `POST /me/reauthenticate`: a logged-in user proves the password again.

use actix_web::web::{Data, Json};
use serde::Serialize;
use service_kit::openapi::{BadBody, Forbidden, TooManyFailures, Unauthorized, Unavailable};
use utoipa::ToSchema;

use crate::{
    accounts::{ReauthenticateError, RecentLoginError},
    app::App,
    domain::{password::Password, session::Origin},
    http::{
        error::ApiError,
        extract::CurrentUser,
        form::{Form, FromForm, Valid},
    },
};

/// The current password.
#[derive(ToSchema)]
#[schema(as = Reauthentication)]
#[expect(dead_code, reason = "describes the fields of the form")]
struct ReauthenticationFields {
    #[schema(format = Password)]
    password: String,
}

/// The current password.
pub struct Reauthentication(pub Password);

impl FromForm for Reauthentication {
    fn from_form(form: &mut Form) -> Option<Self> {
        form.text("password", Password::parse).map(Self)
    }
}

/// A new access token of the session.
#[derive(Serialize, ToSchema)]
#[schema(as = Reauthenticated)]
pub struct ReauthenticationResponse {
    access: String,
}

/// Prove the password again.
///
/// Makes the login of the session recent, for actions that ask for a recent one: they answer 403
/// with the code `reauthentication_required`. The answer has a new access token, whose `auth_time`
/// is now.
#[utoipa::path(
    post,
    path = "/me/reauthenticate",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    request_body = ReauthenticationFields,
    responses(
        (status = 200, description = "The new access token.", body = ReauthenticationResponse),
        BadBody, Unauthorized, Forbidden, TooManyFailures, Unavailable,
    )
)]
pub async fn reauthenticate(
    app: Data<App>,
    CurrentUser(claims): CurrentUser,
    origin: Origin,
    Valid(Reauthentication(password)): Valid<Reauthentication>,
) -> Result<Json<ReauthenticationResponse>, ApiError> {
    let access = app.accounts.reauthenticate(&claims, password, origin).await?;
    Ok(Json(ReauthenticationResponse { access }))
}

impl From<ReauthenticateError> for ApiError {
    fn from(why: ReauthenticateError) -> Self {
        match why {
            ReauthenticateError::Password(why) => why.into(),
            ReauthenticateError::Contended => Self::Unavailable,
            ReauthenticateError::NoSigningKey(why) => why.into(),
            ReauthenticateError::Store(why) => why.into(),
        }
    }
}

impl From<RecentLoginError> for ApiError {
    fn from(why: RecentLoginError) -> Self {
        match why {
            RecentLoginError::TooOld(max_age) => Self::ReauthenticationRequired(max_age),
            RecentLoginError::Store(why) => why.into(),
        }
    }
}
