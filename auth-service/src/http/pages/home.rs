//! `GET /`: where people arrive who open the service's address in a browser.

use actix_web::HttpResponse;

use super::visit::Visit;
use crate::http::extract::user_of_cookie;

/// Redirects to the account, or to the sign-in page.
pub async fn redirect(visit: Visit) -> HttpResponse {
    match user_of_cookie(&visit.request, &visit.app).await {
        Ok(Some(_)) => visit.redirect("/account"),
        _ => visit.redirect("/sign-in"),
    }
}
