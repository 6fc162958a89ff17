//! `GET /me/export`: everything that is stored about a user, as one JSON object.

use actix_web::{
    HttpResponse,
    http::header::{CACHE_CONTROL, CONTENT_DISPOSITION},
    web::{Bytes, Data},
};
use futures_util::{Stream, stream};
use serde::Serialize;
use service_kit::openapi::{Forbidden, Unauthorized, Unavailable};

use super::export_schema::{AccountParts, Event, Export, Session};
use crate::{
    accounts::ExportPages,
    app::App,
    domain::session::Origin,
    http::{error::ApiError, extract::CurrentUser},
    store::StoreError,
};

/// Get everything that is stored about the user.
///
/// A JSON file: the account, credentials, pending codes and messages, sessions, and the audit
/// trail. It contains no password hash, no code and no token. Asks for a recent login
/// (`RECENT_LOGIN`): otherwise the answer is 403 with the code `reauthentication_required`.
#[utoipa::path(
    get,
    path = "/me/export",
    tag = "people",
    security(("bearer" = []), ("cookie" = [])),
    responses(
        (status = 200, description = "The file.", body = Export),
        Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn export(
    app: Data<App>,
    CurrentUser(claims): CurrentUser,
    origin: Origin,
) -> Result<HttpResponse, ApiError> {
    app.accounts.require_recent_login(&claims).await?;
    let export = app.accounts.export(&claims, origin).await?;
    let start = serde_json::to_string(&AccountParts::new(&claims.sub, &export));
    let start = start.map_err(|_| ApiError::Internal)?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((CONTENT_DISPOSITION, "attachment; filename=\"account.json\""))
        .streaming(body(start, export.pages)))
}

/// What the body continues with.
enum Next {
    Sessions { after: String, is_first: bool },
    Events { after: (i64, i64), is_first: bool },
    End,
}

/// Returns the body: the object `start`, with the members `sessions` and `audit_events` added. If
/// the database fails meanwhile, the body ends early, and the client notices.
fn body(start: String, pages: ExportPages) -> impl Stream<Item = Result<Bytes, actix_web::Error>> {
    let start = start.strip_suffix('}').unwrap_or(&start).to_owned() + ",\"sessions\":[";
    let first = Next::Sessions { after: String::new(), is_first: true };
    stream::unfold((Some(start), first, pages), |(start, next, pages)| async {
        if let Some(start) = start {
            return Some((Ok(start.into()), (None, next, pages)));
        }
        let (text, next) = match chunk(&pages, next).await? {
            Ok(chunk) => chunk,
            Err(why) => return Some((Err(ApiError::from(why).into()), (None, Next::End, pages))),
        };
        Some((Ok(Bytes::from(text)), (None, next, pages)))
    })
}

/// Returns the next part of the body, and what follows. `None` after the last part.
async fn chunk(pages: &ExportPages, next: Next) -> Option<Result<(String, Next), StoreError>> {
    Some(match next {
        Next::End => return None,
        Next::Sessions { after, is_first } => {
            pages.sessions(after).await.map(|page| match page.last().map(|last| last.id.clone()) {
                Some(after) => {
                    let text = elements(page.into_iter().map(Session::from), is_first);
                    (text, Next::Sessions { after, is_first: false })
                }
                None => {
                    let after = (i64::MIN, i64::MIN);
                    ("],\"audit_events\":[".into(), Next::Events { after, is_first: true })
                }
            })
        }
        Next::Events { after, is_first } => pages.events(after).await.map(|page| {
            match page.last().map(|last| (last.at, last.number)) {
                Some(after) => {
                    let text = elements(page.into_iter().map(Event::from), is_first);
                    (text, Next::Events { after, is_first: false })
                }
                None => ("]}".into(), Next::End),
            }
        }),
    })
}

/// Returns elements of a JSON array, after a comma unless they are the first.
fn elements(elements: impl Iterator<Item = impl Serialize>, is_first: bool) -> String {
    let texts = elements.map(|element| serde_json::to_string(&element).unwrap_or_default());
    let joined = texts.collect::<Vec<_>>().join(",");
    if is_first { joined } else { format!(",{joined}") }
}
