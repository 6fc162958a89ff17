//! `/account/sessions`: a user sees the devices that are signed in, and signs them out.

use actix_web::HttpResponse;
use shared::claims::SessionId;

use crate::{
    domain::{
        audit::Initiator,
        device::Device,
        session::{EndCause, Origin},
        time::for_people,
    },
    http::{
        cookies,
        error::ApiError,
        pages::{
            member::{Member, MemberSubmission},
            view::{SessionView, View},
        },
    },
    sessions::{EndSessionError, SessionDetails},
    tokens::Credential,
};

/// Number of sessions on one page, which keeps the page small.
const PER_PAGE: usize = 10;
/// Maximum number of characters of a device whose browser is not known.
const MAX_DEVICE_CHARS: usize = 60;

/// Shows the sessions, the last used first.
pub async fn show(member: Member) -> HttpResponse {
    match view(&member).await {
        Ok(view) => member.page(view).send(),
        Err(why) => member.visit.problem(&why),
    }
}

/// Ends one session, all others, or all.
pub async fn submit(form: MemberSubmission) -> HttpResponse {
    let Member { visit, claims, .. } = &form.member;
    let which = form.submission.value("end").unwrap_or_default();
    match end(&form.member, which).await {
        Ok(true) => {
            cookies::end(&visit.request, &visit.app, Credential::Cookie);
            visit.redirect("/sign-in?notice=signed_out")
        }
        Ok(false) if which == "others" => visit.redirect("/account/sessions?notice=others_ended"),
        Ok(false) => visit.redirect("/account/sessions?notice=session_ended"),
        Err(why) => match view(&form.member).await {
            Ok(view) => form.again(view, &why),
            Err(_) => {
                log::debug!("the sessions of user {} cannot be listed", claims.sub);
                visit.problem(&why)
            }
        },
    }
}

/// Ends sessions. Returns whether the session of the request is one of them.
async fn end(member: &Member, which: &str) -> Result<bool, ApiError> {
    let Member { visit, claims, .. } = member;
    let sessions = &visit.app.sessions;
    let user = claims.sub.clone();
    let initiator = Initiator::user(visit.origin.clone());
    match which {
        "all" => sessions.end_all(user, EndCause::LogoutEverywhere, initiator).await?,
        "others" => sessions.end_others(user, claims.sid, initiator).await?,
        id => {
            let sid = SessionId(id.parse().map_err(|_| EndSessionError::UnknownSession)?);
            sessions.end_one(user, sid, initiator).await?;
            return Ok(sid == claims.sid);
        }
    }
    Ok(which == "all")
}

async fn view(member: &Member) -> Result<View, ApiError> {
    let Member { visit, claims, .. } = member;
    let sessions = visit.app.sessions.list(claims.sub.clone()).await?;
    let page = visit.query("page").and_then(|page| page.parse().ok()).unwrap_or(1).clamp(1, 1000);
    let first = (page - 1) * PER_PAGE;
    let next = (sessions.len() > first + PER_PAGE).then_some(page + 1);
    let shown = sessions.into_iter().skip(first).take(PER_PAGE);
    Ok(View::Sessions { sessions: shown.map(|session| one(member, session)).collect(), next })
}

fn one(member: &Member, details: SessionDetails) -> SessionView {
    let SessionDetails { sid, last_used_at_ms, origin, .. } = details;
    SessionView {
        id: sid.0.to_string(),
        device: device(member, &origin),
        last_used: for_people(last_used_at_ms),
        ip: origin.ip,
        is_current: sid == member.claims.sid,
    }
}

fn device(member: &Member, origin: &Origin) -> String {
    let visit = &member.visit;
    let texts = visit.pages.templates.texts(visit.language);
    let Some(user_agent) = origin.user_agent.as_deref() else {
        return texts.text("session_unknown", &[]).unwrap_or_default();
    };
    let Some(Device { browser, system }) = Device::of(user_agent) else {
        return user_agent.chars().take(MAX_DEVICE_CHARS).collect();
    };
    let values = [("browser", browser.to_owned()), ("system", system.to_owned())];
    texts.text("session_on", &values).unwrap_or_default()
}
