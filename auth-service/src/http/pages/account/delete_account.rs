//! `/delete-account`: a user deletes the account with a code.

use actix_web::HttpResponse;

use super::delete::{delete, has_grace};
use crate::http::pages::{
    member::{Member, MemberSubmission},
    view::View,
};

/// Shows the form, with the code of the link in a mail.
pub async fn show(member: Member) -> HttpResponse {
    let page = member.page(View::DeleteAccount { has_grace: has_grace(&member) });
    page.filled_with("code", member.visit.query("code")).send()
}

/// Deletes the account.
pub async fn submit(mut form: MemberSubmission) -> HttpResponse {
    match delete(&mut form).await {
        Ok(deleted) => deleted,
        Err(why) => form.again(View::DeleteAccount { has_grace: has_grace(&form.member) }, &why),
    }
}
