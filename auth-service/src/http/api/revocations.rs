//! `GET /revocations`: the feed of ended sessions, as server-sent events.

use std::fmt::Write;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, HeaderName, HeaderValue},
    web::{Bytes, Data},
};
use futures_util::stream;
use service_kit::openapi::Forbidden;

use crate::{
    app::App,
    http::{
        error::ApiError,
        oauth::{ClientRefused, OAuthError, authenticate_by_header},
    },
    oauth::{FeedItem, FollowError},
    revocation_feed::Revocation,
};

/// Tells nginx to pass on each event at once, rather than when a buffer is full.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Follow the ended sessions.
///
/// The caller is a client with the scope `revocations:read`. Each event `revoked` names a session
/// (`sid`) whose access tokens must be refused until a time (`until`, in seconds since the Unix
/// epoch). By then all of them have expired.
///
/// The feed starts with the sessions that ended recently. Then one event `caught-up` follows, and
/// then each session that ends, with a comment after 3 seconds without an event. A client that
/// reconnects sends the id of its last event as `Last-Event-ID`, and may receive events again.
///
/// The answer has `Connection: close`, and so has the 503 of a replica that does not know all ended
/// sessions: a client that connects again may reach another replica.
#[utoipa::path(
    get,
    path = "/revocations",
    tag = "services",
    security(("client" = [])),
    params(
        ("Last-Event-ID" = Option<String>, Header, description = "Id of the last received event."),
    ),
    responses(
        (status = 200, description = "The events. The response has no end.", body = String,
            content_type = "text/event-stream"),
        ClientRefused, Forbidden,
    )
)]
pub async fn revocations(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, OAuthError> {
    // Checked first: without the database, authentication takes longer than a client should wait
    // before it tries another replica.
    if !app.revocations.is_ready() {
        return Err(FollowError::NotReady.into());
    }
    let client = authenticate_by_header(&app.clients, &request).await?;
    let last = request.headers().get("last-event-id");
    let last = last.and_then(|id| id.to_str().ok()?.parse().ok());
    let follower = app.feed_access.follow(&client, last)?;
    let events = stream::unfold(follower, |mut follower| async {
        let text = event_text(&follower.next().await?);
        Some((Ok::<_, actix_web::Error>(Bytes::from(text)), follower))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((ACCEL_BUFFERING, HeaderValue::from_static("no")))
        .force_close()
        .streaming(events))
}

/// Returns an item as server-sent events.
fn event_text(item: &FeedItem) -> String {
    match item {
        FeedItem::Revocations(page) => {
            let mut text = String::new();
            page.iter().for_each(|revocation| write_event(&mut text, revocation));
            text
        }
        FeedItem::CaughtUp => "event: caught-up\ndata: {}\n\n".into(),
        FeedItem::Heartbeat => ":\n\n".into(),
    }
}

fn write_event(text: &mut String, Revocation { id, sid, until_ms }: &Revocation) {
    // Rounded up, so that no token is accepted again too early.
    let until = until_ms.div_euclid(1000) + 1;
    let data = format_args!("{{\"sid\":\"{sid}\",\"until\":{until}}}");
    // Writing to a string cannot fail.
    let _ = write!(text, "id: {id}\nevent: revoked\ndata: {data}\n\n");
}

impl From<FollowError> for OAuthError {
    fn from(why: FollowError) -> Self {
        Self::Other(match why {
            FollowError::MissingScope(why) => why.into(),
            FollowError::NotReady => ApiError::ReplicaNotReady,
        })
    }
}
