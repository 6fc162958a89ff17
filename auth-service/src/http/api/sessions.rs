//! `GET /sessions` and `DELETE /sessions/{id}`: lists and ends the sessions of a user.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Json, Path},
};
use serde::Serialize;
use service_kit::openapi::{Forbidden, ProblemSchema, Unauthorized, Unavailable};
use shared::claims::SessionId;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::App,
    domain::{
        audit::Initiator,
        session::Origin,
        time::{to_minute, to_second},
    },
    http::{cookies, error::ApiError, extract::CurrentUser},
    sessions::{EndSessionError, SessionDetails},
    tokens::Credential,
};

/// The live sessions of a user.
#[derive(Serialize, ToSchema)]
pub struct Sessions {
    /// At most 100 sessions, the last used first.
    sessions: Vec<SessionResponse>,
}

/// A session. Times are in UTC (RFC 3339).
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
struct SessionResponse {
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
    /// Whether this is the session of the access token.
    current: bool,
}

impl SessionResponse {
    fn new(details: SessionDetails, current: SessionId) -> Self {
        let SessionDetails { sid, created_at_ms, last_used_at_ms, expires_at_ms, origin } = details;
        Self {
            id: sid.0,
            created_at: to_second(created_at_ms),
            last_used_at: to_minute(last_used_at_ms),
            expires_at: to_second(expires_at_ms),
            user_agent: origin.user_agent,
            ip: origin.ip,
            current: sid == current,
        }
    }
}

/// List the sessions.
///
/// Returns the live sessions of the user of the access token.
#[utoipa::path(
    get,
    path = "/sessions",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The sessions.", body = Sessions),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn sessions(
    app: Data<App>,
    CurrentUser(claims): CurrentUser,
) -> Result<Json<Sessions>, ApiError> {
    let sessions = app.sessions.list(claims.sub.clone()).await?;
    let response = |details| SessionResponse::new(details, claims.sid);
    Ok(Json(Sessions { sessions: sessions.into_iter().map(response).collect() }))
}

/// End a session.
#[utoipa::path(
    delete,
    path = "/sessions/{id}",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    params(("id" = Uuid, Path, description = "Id of the session.")),
    responses(
        (status = 204, description = "The session has ended."),
        (status = 404, description = "The user has no session with this id.", body = ProblemSchema,
            content_type = "application/problem+json"),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn end_session(
    app: Data<App>,
    http: HttpRequest,
    CurrentUser(claims): CurrentUser,
    credential: Credential,
    origin: Origin,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let sid = SessionId(id.parse().map_err(|_| EndSessionError::UnknownSession)?);
    app.sessions.end_one(claims.sub.clone(), sid, Initiator::user(origin)).await?;
    if sid == claims.sid {
        cookies::end(&http, &app, credential);
    }
    Ok(HttpResponse::NoContent().finish())
}

impl From<EndSessionError> for ApiError {
    fn from(why: EndSessionError) -> Self {
        match why {
            EndSessionError::UnknownSession => {
                Self::NotFound("The user has no session with this id.")
            }
            EndSessionError::Store(why) => why.into(),
        }
    }
}
