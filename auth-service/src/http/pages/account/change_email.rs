//! `/change-email`: a user confirms another email address with a code.

use actix_web::HttpResponse;

use crate::http::{
    api::email_change::MailedCode,
    error::ApiError,
    pages::{
        member::{Member, MemberSubmission},
        view::View,
    },
};

/// Shows the form, with the code of the link in a mail.
pub async fn show(member: Member) -> HttpResponse {
    member.page(View::ChangeEmail).filled_with("code", member.visit.query("code")).send()
}

/// Changes the address.
pub async fn submit(mut form: MemberSubmission) -> HttpResponse {
    match change(&mut form).await {
        Ok(()) => form.member.visit.redirect("/account?notice=email_changed"),
        Err(why) => form.again(View::ChangeEmail, &why),
    }
}

async fn change(form: &mut MemberSubmission) -> Result<(), ApiError> {
    let MailedCode(code) = form.submission.read()?;
    let Member { visit, claims, .. } = &form.member;
    Ok(visit.app.accounts.change_email(claims, code, visit.origin.clone()).await?)
}
