//! `GET /admin/audit`: lists events of the audit trail.

use actix_web::{HttpRequest, web::Json};
use serde::Serialize;
use service_kit::openapi::{Forbidden, Unauthorized, Unavailable};
use utoipa::ToSchema;

use super::{
    query::{self, Query},
    responses::BadQuery,
};
use crate::{
    accounts::{AdminError, AuditFilter, EventPosition, NamedEvent},
    domain::time::{parse_since, to_millisecond},
    http::{error::ApiError, extract::Administrator, form::Form},
};

/// A page of the audit trail, newest first.
#[derive(Serialize, ToSchema)]
pub struct AdminEvents {
    events: Vec<EventBody>,
    /// `after` for the next page, of older events. `null`: this is the last page.
    next: Option<String>,
}

/// An event of the audit trail.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminEvent)]
struct EventBody {
    /// Time of the event (RFC 3339, UTC), to the millisecond.
    #[schema(format = DateTime)]
    time: String,
    /// Name of the event, such as `login_failed`.
    #[schema(example = "login_failed")]
    event: String,
    /// `user`, `client`, `operator`, `admin`, `service` or `anyone`.
    #[schema(example = "user")]
    actor: String,
    /// Login name of the operator at the command line. Id of the user who acted as an administrator.
    operator: Option<String>,
    /// Username of the user who acted as an administrator.
    admin: Option<String>,
    /// Id of the user whom the event concerns.
    user: Option<String>,
    username: Option<String>,
    /// Id of the session.
    session: Option<String>,
    /// Id of the client that the event concerns, or that initiated it.
    client: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    detail: Option<String>,
}

impl From<NamedEvent> for EventBody {
    fn from(NamedEvent { event, username, admin }: NamedEvent) -> Self {
        Self {
            time: to_millisecond(event.at),
            event: event.event,
            actor: event.actor,
            operator: event.operator,
            admin,
            user: event.user_id,
            username,
            session: event.session_id,
            client: event.client_id,
            ip: event.ip,
            user_agent: event.user_agent,
            detail: event.detail,
        }
    }
}

/// List events of the audit trail.
///
/// Newest first, a page at a time. The roles `admin` and `support` may read. The audit trail records
/// the call.
#[utoipa::path(
    get,
    path = "/admin/audit",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(
        ("user" = Option<String>, Query, description = "A username, an email address, or an id. The \
            username and the id also find the events of a deleted user."),
        ("client" = Option<String>, Query, description = "Id of a client."),
        ("event" = Option<String>, Query, description = "Name of an event, such as \
            `login_failed`."),
        ("since" = Option<String>, Query, description = "Earliest event: a time such as \
            `2026-11-24T08:00:00Z`, or a duration such as `24h` or `7d`."),
        ("after" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<u16>, Query, description = "Maximum number of events: 1 to 200.",
            minimum = 1, maximum = 200),
    ),
    responses(
        (status = 200, description = "A page of events.", body = AdminEvents),
        BadQuery, Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn list_events(
    admin: Administrator,
    request: HttpRequest,
) -> Result<Json<AdminEvents>, ApiError> {
    let known = ["user", "client", "event", "since", "after", "limit"];
    let mut query = Query::read(&request, &known);
    let now = admin.app.clock.now_ms();
    let filter = AuditFilter {
        user: query.text("user"),
        client_id: query.text("client"),
        event: query.text("event"),
        since_ms: query.parsed("since", |text| parse_since(text, now)),
    };
    let after = query.after(parse_cursor);
    let limit = query.limit();
    query.finish()?;
    // One more, to learn whether there is another page.
    let page = admin.users().audit_page(filter, after, limit as i64 + 1).await;
    let mut events = page.map_err(|why| match why {
        AdminError::UnknownUser(_) => Form::single_error("user", "There is no such user."),
        why => why.into(),
    })?;
    let next = query::cut(&mut events, limit, |((at, number), _)| format!("{at}-{number}"));
    let events = events.into_iter().map(|(_, event)| EventBody::from(event)).collect();
    Ok(Json(AdminEvents { events, next }))
}

/// Parses the place of an event in the order of the trail.
fn parse_cursor(text: &str) -> Option<EventPosition> {
    let (at, number) = text.split_once('-')?;
    Some((at.parse().ok()?, number.parse().ok()?))
}
