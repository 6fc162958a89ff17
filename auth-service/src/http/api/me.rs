//! `GET /me` and `PATCH /me`: a user reads and changes the profile.

use actix_web::web::{Data, Json};
use serde::Serialize;
use service_kit::openapi::{BadBody, Forbidden, TooManyFailures, Unauthorized, Unavailable};
use shared::VerifyError;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    accounts::{ChangeProfileError, Profile, ProfileChange, ProfileError},
    app::App,
    domain::{language::Language, session::Origin, username::Username},
    http::{
        error::ApiError,
        extract::CurrentUser,
        form::{Form, FromForm, Valid},
    },
};

/// The user.
#[derive(Serialize, ToSchema)]
pub struct Me {
    id: Uuid,
    email: String,
    username: String,
    /// Whether the user proved to read the mail of the address.
    email_verified: bool,
    /// Language of mails to the user.
    #[schema(example = "en")]
    language: &'static str,
    /// Id of the user in the system from which the user was imported, or null.
    external_id: Option<String>,
}

impl From<Profile> for Me {
    fn from(profile: Profile) -> Self {
        Self {
            id: profile.id,
            email: profile.email,
            username: profile.username,
            email_verified: profile.is_email_verified,
            language: profile.language.tag(),
            external_id: profile.external_id,
        }
    }
}

/// What to change. A missing field stays as it is.
#[derive(ToSchema)]
#[schema(as = ProfileChange, example = json!({"username": "ada", "language": "de"}))]
#[expect(dead_code, reason = "describes the fields of the form")]
struct ProfileFields {
    /// As at the registration.
    #[schema(nullable = false, min_length = 3, max_length = 150)]
    username: Option<String>,
    /// Language of mails to the user: `en` or `de`.
    #[schema(nullable = false)]
    language: Option<String>,
}

impl FromForm for ProfileChange {
    fn from_form(form: &mut Form) -> Option<Self> {
        let username = form.optional("username", |text| Username::parse(text.trim()));
        let language = form.optional("language", |text| {
            Language::with_tag(&text).ok_or_else(|| vec!["Choose en or de.".into()])
        });
        Some(Self { username: username?, language: language? })
    }
}

/// Get the current user.
///
/// Returns the user of the access token.
#[utoipa::path(
    get,
    path = "/me",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The user.", body = Me),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn me(app: Data<App>, CurrentUser(claims): CurrentUser) -> Result<Json<Me>, ApiError> {
    Ok(Json(app.accounts.profile(claims.sub.clone()).await?.into()))
}

/// Change the profile.
///
/// Changes the username or the language of mails. Tokens name the new username after the next
/// refresh. No other user gets the former username while the audit trail has events of the user. A
/// change of username asks for a recent login (`RECENT_LOGIN`): otherwise the answer is 403 with the
/// code `reauthentication_required`. The user gets a mail about the change.
#[utoipa::path(
    patch,
    path = "/me",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    request_body = Option<ProfileFields>,
    responses(
        (status = 200, description = "The user.", body = Me),
        BadBody, Unauthorized, Forbidden, TooManyFailures, Unavailable,
    )
)]
pub async fn change_me(
    app: Data<App>,
    CurrentUser(claims): CurrentUser,
    origin: Origin,
    Valid(change): Valid<ProfileChange>,
) -> Result<Json<Me>, ApiError> {
    Ok(Json(app.accounts.change_profile(&claims, change, origin).await?.into()))
}

impl From<ChangeProfileError> for ApiError {
    fn from(why: ChangeProfileError) -> Self {
        match why {
            ChangeProfileError::Name(why) => Form::single_error("username", &why.to_string()),
            ChangeProfileError::Taken => {
                Form::single_error("username", "A user with that username already exists.")
            }
            ChangeProfileError::TooOften => {
                Form::single_error("username", "The username was changed too often.")
            }
            // The sessions of a deleted user have ended.
            ChangeProfileError::UnknownUser => VerifyError::Revoked.into(),
            ChangeProfileError::RecentLogin(why) => why.into(),
            ChangeProfileError::Throttled(why) => why.into(),
            ChangeProfileError::Store(why) => why.into(),
        }
    }
}

impl From<ProfileError> for ApiError {
    fn from(why: ProfileError) -> Self {
        match why {
            // The sessions of a deleted user have ended.
            ProfileError::UnknownUser => VerifyError::Revoked.into(),
            ProfileError::Store(why) => why.into(),
        }
    }
}
