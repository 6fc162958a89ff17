//! `GET /.well-known/change-password`: where password managers send a user who changes a password
//! (W3C, A Well-Known URL for Changing Passwords).

use actix_web::HttpResponse;

use super::visit::Visit;

/// Redirects to the form.
pub async fn redirect(visit: Visit) -> HttpResponse {
    visit.redirect("/account/password")
}
