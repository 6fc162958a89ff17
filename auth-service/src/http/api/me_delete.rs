//! `POST /me/delete/request` and `DELETE /me`: a user deletes the account.

use actix_web::{HttpRequest, HttpResponse, web::Data};
use serde::Serialize;
use service_kit::openapi::{BadBody, Forbidden, TooManyFailures, Unauthorized, Unavailable};
use utoipa::ToSchema;

use super::one_time_code::{typed_code, wrong_code};
use crate::{
    accounts::{DeleteAccountError, DeletionProof},
    app::App,
    domain::{password::Password, session::Origin, time::to_second},
    http::{
        cookies,
        error::ApiError,
        extract::CurrentUser,
        form::{Form, FromForm, Valid},
    },
    tokens::Credential,
};

/// The current password, or a code of `POST /me/delete/request`.
#[derive(ToSchema)]
#[schema(as = AccountDeletion, example = json!({"password": "the current password"}))]
#[expect(dead_code, reason = "describes the fields of the form")]
struct DeletionFields {
    #[schema(nullable = false, format = Password)]
    password: Option<String>,
    /// The code, in any case, with or without its hyphens.
    #[schema(nullable = false, min_length = 1)]
    code: Option<String>,
}

impl FromForm for DeletionProof {
    fn from_form(form: &mut Form) -> Option<Self> {
        match (form.has("password"), form.has("code")) {
            (true, true) => {
                form.add_error("code", "Give a password or a code, not both.");
                None
            }
            (false, true) => form.text("code", typed_code).map(Self::Code),
            _ => form.text("password", Password::parse).map(Self::Password),
        }
    }
}

/// The end of the grace period.
#[derive(Serialize, ToSchema)]
pub struct AccountDeleted {
    /// When the account is deleted, unless the user logs in before (RFC 3339, UTC).
    #[schema(format = DateTime)]
    delete_at: String,
}

/// Request a code that deletes the account.
///
/// The user gets a mail with a code, for an account whose password the user does not know.
#[utoipa::path(
    post,
    path = "/me/delete/request",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 202, description = "A mail will be sent."),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn request_deletion(
    app: Data<App>,
    CurrentUser(claims): CurrentUser,
    origin: Origin,
) -> Result<HttpResponse, ApiError> {
    app.accounts.request_deletion_code(&claims, origin).await?;
    Ok(HttpResponse::Accepted().finish())
}

/// Delete the account.
///
/// All sessions end. Within the grace period (`ACCOUNT_DELETION_GRACE`), a login brings the account
/// back. The grace period lasts at least until no change of the email address can be undone. Then
/// the user and everything that is stored about the user are deleted, except usernames and the audit
/// trail.
#[utoipa::path(
    delete,
    path = "/me",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    request_body = DeletionFields,
    responses(
        (status = 200, description = "The grace period has begun.", body = AccountDeleted),
        (status = 204, description = "The account is deleted."),
        BadBody, Unauthorized, Forbidden, TooManyFailures, Unavailable,
    )
)]
pub async fn delete_me(
    app: Data<App>,
    http: HttpRequest,
    CurrentUser(claims): CurrentUser,
    credential: Credential,
    origin: Origin,
    Valid(proof): Valid<DeletionProof>,
) -> Result<HttpResponse, ApiError> {
    let response = match app.accounts.delete_account(&claims, proof, origin).await? {
        None => HttpResponse::NoContent().finish(),
        Some(delete_at_ms) => {
            HttpResponse::Ok().json(AccountDeleted { delete_at: to_second(delete_at_ms) })
        }
    };
    cookies::end(&http, &app, credential);
    Ok(response)
}

impl From<DeleteAccountError> for ApiError {
    fn from(why: DeleteAccountError) -> Self {
        match why {
            DeleteAccountError::Password(why) => why.into(),
            DeleteAccountError::WrongCode => wrong_code(),
            DeleteAccountError::Contended => Self::Unavailable,
            DeleteAccountError::Throttled(why) => why.into(),
            DeleteAccountError::Store(why) => why.into(),
        }
    }
}
