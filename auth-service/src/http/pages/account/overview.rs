//! `/account`: the user's account, and links to what the user can do.

use actix_web::HttpResponse;

use crate::http::pages::{member::Member, view::View};

/// Shows the account.
pub async fn show(member: Member) -> HttpResponse {
    let email = member.profile.email.clone();
    let is_email_verified = member.profile.is_email_verified;
    member.page(View::Account { email, is_email_verified }).send()
}
