//! `/account/email`: a user asks for another email address.

use actix_web::HttpResponse;

use crate::{
    accounts::EmailChangeRequest,
    http::{
        error::ApiError,
        pages::{
            member::{Member, MemberSubmission},
            view::View,
        },
    },
};

/// Shows the form.
pub async fn show(member: Member) -> HttpResponse {
    member.page(view(&member)).send()
}

/// Mails a code to the new address.
pub async fn submit(mut form: MemberSubmission) -> HttpResponse {
    match request_code(&mut form).await {
        Ok(()) => form.member.visit.redirect("/change-email?notice=email_code_sent"),
        Err(why) => form.again(view(&form.member), &why),
    }
}

async fn request_code(form: &mut MemberSubmission) -> Result<(), ApiError> {
    let request: EmailChangeRequest = form.submission.read()?;
    let Member { visit, claims, .. } = &form.member;
    Ok(visit.app.accounts.request_email_change(claims, request, visit.origin.clone()).await?)
}

fn view(member: &Member) -> View {
    View::Email {
        email: member.profile.email.clone(),
        is_email_verified: member.profile.is_email_verified,
    }
}
