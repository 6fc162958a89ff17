//! The protected routes: what to copy into a service of your own.
//!
//! A handler that takes an [`AccessToken`] runs only for requests with a valid access token. A
//! handler that takes [`Requires<R>`] runs only if the token also grants the scope or the role of
//! `R`. The attributes `utoipa::path` are documentation, and optional.

use actix_web::web::Json;
use serde::Serialize;
use service_kit::openapi::{Forbidden, Unauthorized, Unavailable};
use shared::{
    AccessToken, Requires,
    claims::{Scope, SessionId},
    extract::Requirement,
};
use utoipa::ToSchema;

/// Answer of `/whoami`.
#[derive(Serialize, ToSchema)]
pub struct WhoAmI {
    /// Id of the user.
    sub: String,
    /// Id of the session.
    #[schema(value_type = String)]
    sid: SessionId,
    /// Scopes that the token grants, separated by spaces.
    #[schema(value_type = String)]
    scope: Scope,
    /// Expiry of the token, in seconds since the Unix epoch.
    exp: i64,
}

/// Returns the claims of the access token.
#[utoipa::path(
    get,
    path = "/whoami",
    tag = "resources",
    security(("bearer" = [])),
    responses((status = 200, description = "The claims.", body = WhoAmI), Unauthorized, Unavailable)
)]
pub async fn whoami(AccessToken(claims): AccessToken) -> Json<WhoAmI> {
    Json(WhoAmI {
        sub: claims.sub.clone(),
        sid: claims.sid,
        scope: claims.scope.clone(),
        exp: claims.exp,
    })
}

/// The scope `reports:read`.
pub struct ReadReports;

impl Requirement for ReadReports {
    const SCOPE: Option<&str> = Some("reports:read");
}

/// Answer of `/reports`.
#[derive(Serialize, ToSchema)]
pub struct Reports {
    reports: [String; 0],
    /// Id of the user whom the reports are for.
    r#for: String,
}

/// Returns the reports of the user. Needs the scope `reports:read`.
#[utoipa::path(
    get,
    path = "/reports",
    tag = "resources",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The reports.", body = Reports),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn reports(token: Requires<ReadReports>) -> Json<Reports> {
    Json(Reports { reports: [], r#for: token.sub.clone() })
}

/// The role `admin`.
pub struct Admin;

impl Requirement for Admin {
    const ROLE: Option<&str> = Some("admin");
}

/// Answer of `/admin`.
#[derive(Serialize, ToSchema)]
pub struct Administrator {
    /// Id of the user.
    admin: String,
}

/// Returns the id of the administrator. Needs the role `admin`.
#[utoipa::path(
    get,
    path = "/admin",
    tag = "resources",
    security(("bearer" = [])),
    responses(
        (status = 200, description = "The administrator.", body = Administrator),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn admin(token: Requires<Admin>) -> Json<Administrator> {
    Json(Administrator { admin: token.sub.clone() })
}
