//! `POST /password`: change the password of whoever asks.

use actix_web::{HttpResponse, web::Data};
use service_kit::openapi::{BadBody, Forbidden, Unauthorized, Unavailable};
use shared::VerifyError;
use utoipa::ToSchema;

use crate::{
    app::App,
    credentials::{hash_job::HashJob, password_hash::PasswordHash},
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        password::Password,
        session::Origin,
    },
    http::extract::Person,
    http::{
        error::ApiError,
        form::{Form, FromForm, Valid},
    },
    store::users,
};

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordRequest {
    #[schema(value_type = String, format = Password)]
    old_password: Password,
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 1024)]
    new_password: Password,
    /// Whether the session that asks goes on. All others end.
    #[schema(default = false, required = false)]
    keep_session: bool,
}

impl FromForm for PasswordRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let old_password = form.text("old_password", Password::presented);
        let new_password = form.text("new_password", Password::chosen);
        let keep_session = form.flag("keep_session");
        Some(Self { old_password: old_password?, new_password: new_password?, keep_session: keep_session? })
    }
}

/// Change the password, and log out everywhere, or everywhere else.
#[utoipa::path(
    post,
    path = "/password",
    tag = "people",
    security(("bearer" = [])),
    request_body = PasswordRequest,
    responses((status = 204, description = "Changed."), BadBody, Unauthorized, Forbidden, Unavailable)
)]
pub async fn password(
    app: Data<App>,
    Person(claims): Person,
    origin: Origin,
    Valid(request): Valid<PasswordRequest>,
) -> Result<HttpResponse, ApiError> {
    let place = app.hash_pool.place().await?;
    let id = claims.sub.clone();
    let user = app.store.run(move |connection| users::find(connection, &id)).await?;
    let user = user.ok_or(VerifyError::Revoked)?;
    let PasswordRequest { old_password, new_password, keep_session } = request;
    if new_password.is(&user.username) || new_password.is(&user.email) {
        return Err(wrong("new_password", "The password is the same as the username or the email."));
    }
    let cost = app.bcrypt_cost;
    let hash = user.password_hash.matches(&old_password).then(move |matches| match matches {
        true => PasswordHash::make(&new_password, cost).map(Some),
        false => HashJob::Done(None),
    });
    let refused = || wrong("old_password", "The password is wrong.");
    let Some(new) = app.hash_pool.run(place, hash).await? else {
        let record =
            AuditRecord::new(AuditEvent::PasswordChangeFailed, Initiator::user(origin), app.clock.now_ms());
        app.store.remember(record.user(&claims.sub).session(claims.sid).detail("wrong password")).await;
        return Err(refused());
    };
    let keep = keep_session.then_some(claims.sid);
    let (id, old, by) = (claims.sub.clone(), user.password_hash, Initiator::user(origin));
    let changed = app.sessions.change_password(id, old, new, keep, by).await?;
    // Somebody else was faster: what was shown is the password no more.
    if changed { Ok(HttpResponse::NoContent().finish()) } else { Err(refused()) }
}

fn wrong(field: &str, why: &str) -> ApiError {
    let mut form = Form::default();
    form.wrong(field, why);
    form.finish().err().unwrap_or(ApiError::Internal)
}
