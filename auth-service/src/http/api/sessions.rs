//! `GET /sessions` and `DELETE /sessions/{id}`: where somebody is logged in, and ending that.

use actix_web::{
    HttpResponse,
    web::{Data, Json, Path},
};
use jiff::Timestamp;
use serde::Serialize;
use service_kit::openapi::{Forbidden, ProblemSchema, Unauthorized, Unavailable};
use shared::claims::SessionId;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::App,
    domain::{audit::Initiator, session::Origin},
    http::error::ApiError,
    http::extract::Person,
    store::sessions::SessionDetails,
};

#[derive(Serialize, ToSchema)]
pub struct Sessions {
    /// At most 100, those used last first.
    sessions: Vec<Listed>,
}

/// A session. Times are in UTC (RFC 3339).
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct Listed {
    id: Uuid,
    #[schema(format = DateTime)]
    created_at: String,
    /// When its refresh token was last used, within a few seconds.
    #[schema(format = DateTime)]
    last_used_at: String,
    /// When it ends at the latest.
    #[schema(format = DateTime)]
    expires_at: String,
    /// What the client that logged in called itself.
    user_agent: Option<String>,
    /// Where it logged in from.
    ip: Option<String>,
    /// Whether it is the one that asks.
    current: bool,
}

/// Where the access token's user is logged in.
#[utoipa::path(
    get,
    path = "/sessions",
    tag = "people",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The sessions.", body = Sessions),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn sessions(app: Data<App>, Person(claims): Person) -> Result<Json<Sessions>, ApiError> {
    let details = app.sessions.list(claims.sub.clone()).await?;
    let listed =
        |SessionDetails { sid, created_at_ms, last_used_at_ms, expires_at_ms, origin }: SessionDetails| {
            Listed {
                id: sid.0,
                created_at: time(created_at_ms),
                last_used_at: time(last_used_at_ms),
                expires_at: time(expires_at_ms),
                user_agent: origin.user_agent,
                ip: origin.ip,
                current: sid == claims.sid,
            }
        };
    Ok(Json(Sessions { sessions: details.into_iter().map(listed).collect() }))
}

fn time(ms: i64) -> String {
    Timestamp::from_second(ms / 1000).unwrap_or_default().to_string()
}

/// End a session.
#[utoipa::path(
    delete,
    path = "/sessions/{id}",
    tag = "people",
    security(("bearer" = [])),
    params(("id" = Uuid, Path, description = "The session's id.")),
    responses(
        (status = 204, description = "It has ended."),
        (status = 404, description = "There is no such session of this user.", body = ProblemSchema,
            content_type = "application/problem+json"),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn end_session(
    app: Data<App>,
    Person(claims): Person,
    origin: Origin,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let ended = match id.parse() {
        Ok(id) => app.sessions.end_one(claims.sub.clone(), SessionId(id), Initiator::user(origin)).await?,
        Err(_) => false,
    };
    if ended {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Err(ApiError::NotFound("There is no such session of yours."))
    }
}
