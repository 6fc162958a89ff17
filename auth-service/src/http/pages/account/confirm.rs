//! `/account/confirm`: a user proves the password again, where an action asks for a recent login.

use actix_web::HttpResponse;

use crate::http::{
    api::me_reauthenticate::Reauthentication,
    error::ApiError,
    pages::{
        member::{Member, MemberSubmission},
        view::View,
    },
};

/// Shows the form.
pub async fn show(member: Member) -> HttpResponse {
    member.page(View::Confirm).returning_to(member.visit.return_to().as_ref()).send()
}

/// Makes the login recent, and leads back to what the user wanted to do.
pub async fn submit(mut form: MemberSubmission) -> HttpResponse {
    let return_to = form.submission.return_to();
    match confirm(&mut form).await {
        Ok(()) => form.member.visit.redirect_back(return_to.as_ref(), "/account"),
        Err(why) => form.again(View::Confirm, &why),
    }
}

async fn confirm(form: &mut MemberSubmission) -> Result<(), ApiError> {
    let Reauthentication(password) = form.submission.read()?;
    let Member { visit, claims, .. } = &form.member;
    // The session keeps its cookie: the access token in the answer is for other clients.
    visit.app.accounts.reauthenticate(claims, password, visit.origin.clone()).await?;
    Ok(())
}
