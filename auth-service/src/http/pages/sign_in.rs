//! `/sign-in`: a user proves the password, and the browser keeps the session in a cookie.

use actix_web::{HttpResponse, http::StatusCode};

use super::{
    submission::Submission,
    view::View,
    visit::{SIGNED_IN, Visit},
};
use crate::{
    accounts::LoginRequest,
    domain::account_rules::Registration,
    http::{cookies, error::ApiError, extract::user_of_cookie},
    tokens::Credential,
};

/// Shows the form. Sends a user who is signed in on.
pub async fn show(visit: Visit) -> HttpResponse {
    let return_to = visit.return_to();
    let page = visit.page(view(&visit)).returning_to(return_to.as_ref());
    match user_of_cookie(&visit.request, &visit.app).await {
        Ok(Some(_)) => match (&return_to, visit.query("notice")) {
            (None, Some("verified")) => visit.redirect("/account?notice=verified"),
            _ => visit.redirect_back(return_to.as_ref(), "/account"),
        },
        Ok(_) if visit.query(SIGNED_IN).is_some() => {
            page.refused_by_page(StatusCode::BAD_REQUEST, "cookies_off_text").send()
        }
        Ok(_) => page.send(),
        // The form works all the same once the stores answer again.
        Err(_) => page.refused(&ApiError::Unavailable).send(),
    }
}

/// Signs the user in.
pub async fn submit(mut submission: Submission) -> HttpResponse {
    let return_to = submission.return_to();
    match sign_in(&mut submission).await {
        Ok(()) => submission.visit.redirect_signed_in(return_to.as_ref()),
        Err(ApiError::EmailNotVerified) => {
            submission.visit.redirect_with_return("/verify", "unverified", return_to)
        }
        Err(why) => submission.again(view(&submission.visit), &why),
    }
}

async fn sign_in(submission: &mut Submission) -> Result<(), ApiError> {
    let request: LoginRequest = submission.read()?;
    // The session of a browser is for all audiences: the pages need the issuer's.
    let request = LoginRequest { audiences: Vec::new(), ..request };
    log_in(&submission.visit, request).await
}

/// Logs a user in, and sets the cookie of the session.
///
/// # Errors
/// As at `POST /login`.
pub async fn log_in(visit: &Visit, mut request: LoginRequest) -> Result<(), ApiError> {
    cookies::require_policy(&visit.app)?;
    request.credential = Credential::Cookie;
    request.earlier_tokens.extend(cookies::earlier_logins(&visit.request, &visit.app));
    let logged_in = visit.app.accounts.log_in(request, visit.origin.clone()).await?;
    let origin = visit.origin.clone();
    cookies::set_logged_in(&visit.request, &visit.app, origin, &logged_in).await;
    Ok(())
}

fn view(visit: &Visit) -> View {
    View::SignIn { can_register: visit.app.accounts.rules.registration != Registration::Closed }
}
