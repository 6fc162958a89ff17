//! `GET /admin/users/{id}/sessions`, `DELETE /admin/users/{id}/sessions/{sid}` and
//! `POST /admin/users/{id}/logout`: lists and ends the sessions of a user.

use actix_web::{
    HttpResponse,
    web::{Json, Path},
};
use serde::Serialize;
use service_kit::openapi::{Forbidden, Unauthorized, Unavailable};
use shared::claims::SessionId;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{responses::NotFound, user::find};
use crate::{
    accounts::AdminError,
    domain::time::{to_minute, to_second},
    http::{
        error::ApiError,
        extract::{Administrator, Effect},
    },
    sessions::SessionDetails,
};

/// Maximum number of listed sessions.
const MAX_SESSIONS: i64 = 100;

/// The live sessions of a user.
#[derive(Serialize, ToSchema)]
pub struct AdminSessions {
    /// At most 100 sessions, the last used first.
    sessions: Vec<SessionBody>,
}

/// A session. Times are in UTC (RFC 3339).
#[derive(Serialize, ToSchema)]
#[schema(as = AdminSession)]
struct SessionBody {
    id: Uuid,
    /// Time of the login.
    #[schema(format = DateTime)]
    created_at: String,
    /// Last use of the refresh token, to the minute.
    #[schema(format = DateTime)]
    last_used_at: String,
    /// Latest possible end.
    #[schema(format = DateTime)]
    expires_at: String,
    /// `User-Agent` of the login.
    user_agent: Option<String>,
    /// Client address of the login.
    ip: Option<String>,
}

impl From<SessionDetails> for SessionBody {
    fn from(details: SessionDetails) -> Self {
        let SessionDetails { sid, created_at_ms, last_used_at_ms, expires_at_ms, origin } = details;
        Self {
            id: sid.0,
            created_at: to_second(created_at_ms),
            last_used_at: to_minute(last_used_at_ms),
            expires_at: to_second(expires_at_ms),
            user_agent: origin.user_agent,
            ip: origin.ip,
        }
    }
}

/// List the sessions of a user.
///
/// The roles `admin` and `support` may read. The audit trail records the call.
#[utoipa::path(
    get,
    path = "/admin/users/{id}/sessions",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(("id" = Uuid, Path, description = "Id of the user.")),
    responses(
        (status = 200, description = "The live sessions.", body = AdminSessions),
        Unauthorized, Forbidden, NotFound, Unavailable,
    )
)]
pub async fn user_sessions(
    admin: Administrator,
    id: Path<String>,
) -> Result<Json<AdminSessions>, ApiError> {
    let use_cases = admin.users();
    let user = find(&use_cases, &id).await?;
    let sessions = use_cases.last_used_sessions(&user, MAX_SESSIONS).await?;
    Ok(Json(AdminSessions { sessions: sessions.into_iter().map(SessionBody::from).collect() }))
}

/// End a session of a user.
///
/// Only for the role `admin`.
#[utoipa::path(
    delete,
    path = "/admin/users/{id}/sessions/{sid}",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(
        ("id" = Uuid, Path, description = "Id of the user."),
        ("sid" = Uuid, Path, description = "Id of the session."),
    ),
    responses(
        (status = 204, description = "The session has ended, now or before."),
        Unauthorized, Forbidden, NotFound, Unavailable,
    )
)]
pub async fn end_user_session(
    admin: Administrator,
    path: Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (id, sid) = path.into_inner();
    let work = async {
        let use_cases = admin.users();
        let user = find(&use_cases, &id).await?;
        let sid = SessionId(sid.parse().map_err(|_| AdminError::UnknownSession)?);
        Ok(Effect::of((), use_cases.end_session(&user, sid).await?))
    };
    admin.make(work).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Sessions that have just ended.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminEndedSessions)]
pub struct EndedSessions {
    sessions_ended: usize,
}

/// Log a user out everywhere.
///
/// Ends all sessions of the user. Only for the role `admin`.
#[utoipa::path(
    post,
    path = "/admin/users/{id}/logout",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(("id" = Uuid, Path, description = "Id of the user.")),
    responses(
        (status = 200, description = "All sessions have ended.", body = EndedSessions),
        Unauthorized, Forbidden, NotFound, Unavailable,
    )
)]
pub async fn log_user_out(
    admin: Administrator,
    id: Path<String>,
) -> Result<Json<EndedSessions>, ApiError> {
    let work = async {
        let use_cases = admin.users();
        let user = find(&use_cases, &id).await?;
        let sessions_ended = use_cases.end_all_sessions(&user).await?;
        Ok(Effect::of(EndedSessions { sessions_ended }, sessions_ended > 0))
    };
    Ok(Json(admin.make(work).await?))
}
