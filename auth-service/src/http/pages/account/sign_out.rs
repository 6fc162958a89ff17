//! `/sign-out`: a user ends the session of the browser. Works while the session cannot be checked,
//! and after it has ended in another tab.

use actix_web::{HttpResponse, http::StatusCode};

use crate::{
    http::{
        cookies,
        error::ApiError,
        extract::PresentedCookie,
        pages::{
            member::{OTHER, other_user_view},
            submission::Submission,
            templates::PageUser,
            view::View,
            visit::Visit,
        },
    },
    tokens::Credential,
};

/// Asks whether to sign out: a link or an image of another site must not do it.
pub async fn show(visit: Visit) -> HttpResponse {
    match user(&visit) {
        Some(user) => visit.page(View::SignOut).of_user(user).send(),
        None => visit.redirect("/sign-in"),
    }
}

/// Ends the session, and removes its cookie.
pub async fn submit(submission: Submission) -> HttpResponse {
    let visit = &submission.visit;
    let user = user(visit);
    if let Some(user) = &user
        && submission.value("user") != Some(&user.id)
    {
        let page = visit.page(other_user_view(visit));
        return page.refused_by_page(StatusCode::FORBIDDEN, OTHER).send();
    }
    match (sign_out(visit).await, user) {
        (Ok(()), _) => {
            cookies::end(&visit.request, &visit.app, Credential::Cookie);
            visit.redirect("/sign-in?notice=signed_out")
        }
        (Err(why), Some(user)) => visit.page(View::SignOut).of_user(user).refused(&why).send(),
        (Err(why), None) => visit.problem(&why),
    }
}

async fn sign_out(visit: &Visit) -> Result<(), ApiError> {
    let Some(cookie) = PresentedCookie::of(&visit.request, &visit.app) else { return Ok(()) };
    let ended = visit.app.sessions.log_out_by_cookie(cookie.value()?, visit.origin.clone());
    Ok(ended.await?)
}

/// Returns the user of the cookie, whose session may have ended.
fn user(visit: &Visit) -> Option<PageUser> {
    let cookie = PresentedCookie::of(&visit.request, &visit.app)?;
    let (id, username) = visit.app.sessions.user_of_cookie(cookie.value().ok()?)?;
    Some(PageUser { id, username })
}
