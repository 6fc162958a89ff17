//! `GET /revocations`: the feed of sessions that have ended, as server-sent events.

use std::{fmt::Write, time::Duration};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CACHE_CONTROL, HeaderName, HeaderValue},
    web::{Bytes, Data},
};
use futures_util::stream;
use service_kit::openapi::Forbidden;

use crate::{
    app::App,
    http::error::ApiError,
    http::oauth::{BadClient, OAuthError, basic_client},
    revocation_feed::{Listener, Revocation},
};

/// The scope that a client needs to listen.
const SCOPE: &str = "revocations:read";
/// How often a listener hears that nothing has happened: more often than a proxy gives up on a silent connection.
const HEARTBEAT: Duration = Duration::from_secs(3);

/// Hear of every session that ends.
///
/// The caller is a client with the scope `revocations:read`. Each event names a session (`sid`) whose access tokens are to
/// be refused until a time (`until`, in seconds since the Unix epoch) by when none is alive. First comes what ended lately;
/// then, once, an event `caught-up`; then what ends from now on, and a comment every 3 seconds. With `Last-Event-ID`, what
/// was heard before is left out as far as that is known; what is told twice does no harm.
#[utoipa::path(
    get,
    path = "/revocations",
    tag = "services",
    security(("client" = [])),
    params(("Last-Event-ID" = Option<String>, Header, description = "The id of the last event that was heard.")),
    responses(
        (status = 200, description = "The events, without end.", body = String, content_type = "text/event-stream"),
        BadClient, Forbidden,
    )
)]
pub async fn revocations(app: Data<App>, request: HttpRequest) -> Result<HttpResponse, OAuthError> {
    let client = basic_client(&app.clients, &request).await?;
    if !client.scope.split(' ').any(|scope| scope == SCOPE) {
        return Err(ApiError::InsufficientScope(SCOPE.into()).into());
    }
    let last = request.headers().get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let listener = app.revocations.subscribe(last).ok_or(ApiError::Unavailable)?;
    let following =
        Following { app, client_id: client.id.as_str().to_owned(), listener, is_caught_up: false };
    let events = stream::unfold(following, |mut following| async {
        let text = following.next().await?;
        Some((Ok::<_, actix_web::Error>(Bytes::from(text)), following))
    });
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((CACHE_CONTROL, "no-store"))
        // nginx would keep events back until a buffer is full.
        .insert_header((HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")))
        .streaming(events))
}

struct Following {
    app: Data<App>,
    client_id: String,
    listener: Listener,
    is_caught_up: bool,
}

impl Following {
    /// What is to be sent next. `None` once the client is no more.
    async fn next(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            if let Some(page) = self.app.revocations.next_page(&mut self.listener) {
                page.iter().for_each(|revocation| write_event(&mut text, revocation));
            } else if self.is_caught_up {
                let waited = tokio::select! {
                    // Whoever listens is to go to another replica.
                    () = self.app.shutdown.triggered() => return None,
                    waited = tokio::time::timeout(HEARTBEAT, self.listener.wait()) => waited,
                };
                if waited.is_ok() {
                    continue;
                }
                if !self.app.revocations.is_ready() {
                    // To say that nothing has happened would be a lie. Whoever listens has a policy for this.
                    return None;
                }
                let known = self.app.clients.find(&self.client_id).await;
                // What cannot be asked is believed.
                return known.map_or(true, |client| client.is_some()).then(|| ":\n\n".into());
            }
            if !self.is_caught_up && self.listener.is_caught_up() {
                self.is_caught_up = true;
                text.push_str("event: caught-up\ndata: {}\n\n");
            }
            if !text.is_empty() {
                return Some(text);
            }
        }
    }
}

fn write_event(text: &mut String, Revocation { id, sid, until_ms }: &Revocation) {
    // Rounded up: never too early.
    let until = until_ms.div_euclid(1000) + 1;
    // Writing to a string cannot fail.
    let _ = write!(text, "id: {id}\nevent: revoked\ndata: {{\"sid\":\"{sid}\",\"until\":{until}}}\n\n");
}
