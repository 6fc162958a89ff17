//! `POST /admin/users/{id}/reset-password`: voids the password of a user, who sets a new one with a
//! one-time code. `POST /admin/users/{id}/unlock`: resets the counters of failed logins.

use actix_web::{
    HttpResponse,
    web::{Json, Path},
};
use serde::Serialize;
use service_kit::openapi::{Forbidden, Unauthorized, Unavailable};
use utoipa::ToSchema;

use super::{
    responses::{NotFound, OwnAccount, PreconditionFailed},
    user::find,
};
use crate::{
    accounts::PasswordVoided,
    http::{
        error::ApiError,
        extract::{Administrator, Effect},
    },
};

/// A password that was just voided.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminPasswordReset)]
pub struct ResetBody {
    sessions_ended: usize,
    /// One-time code with which the user sets a new password at `POST /password/reset/confirm`. It
    /// is not shown again. `null`: it is mailed to the user.
    code: Option<String>,
}

/// Reset the password of a user.
///
/// Voids the password and ends all sessions. With `MAIL_URL`, a one-time code for a new password is
/// mailed to the user. Without it, the answer has the code. Only for the role `admin`.
/// Administrators cannot reset their own password.
#[utoipa::path(
    post,
    path = "/admin/users/{id}/reset-password",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(("id" = Uuid, Path, description = "Id of the user.")),
    responses(
        (status = 200, description = "The password is void.", body = ResetBody),
        Unauthorized, Forbidden, NotFound, OwnAccount, PreconditionFailed, Unavailable,
    )
)]
pub async fn reset_user_password(
    admin: Administrator,
    id: Path<String>,
) -> Result<Json<ResetBody>, ApiError> {
    let work = async {
        let use_cases = admin.users();
        let user = find(&use_cases, &id).await?;
        let voided = use_cases.void_password(&user, &admin.app.accounts.codes).await?;
        let PasswordVoided { sessions_ended, code, .. } = voided;
        Ok(Effect::Changed(ResetBody { sessions_ended, code: code.map(|code| code.reveal()) }))
    };
    Ok(Json(admin.make(work).await?))
}

/// Unlock a user.
///
/// Resets the counters of failed logins, so that logins are no longer delayed or locked. Only for the
/// role `admin`.
#[utoipa::path(
    post,
    path = "/admin/users/{id}/unlock",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(("id" = Uuid, Path, description = "Id of the user.")),
    responses(
        (status = 204, description = "The counters are reset."),
        Unauthorized, Forbidden, NotFound, Unavailable,
    )
)]
pub async fn unlock_user(admin: Administrator, id: Path<String>) -> Result<HttpResponse, ApiError> {
    let work = async {
        let use_cases = admin.users();
        let user = find(&use_cases, &id).await?;
        use_cases.unlock_user(&user).await?;
        Ok(Effect::Changed(()))
    };
    admin.make(work).await?;
    Ok(HttpResponse::NoContent().finish())
}
