//! `/account/delete`: a user deletes the account with the password, or asks for a code.

use actix_web::HttpResponse;

use crate::{
    accounts::{Deletion, DeletionProof},
    http::{
        cookies,
        error::ApiError,
        pages::{
            member::{Member, MemberSubmission},
            view::View,
            visit::Visit,
        },
    },
    tokens::Credential,
};

/// Shows the form.
pub async fn show(member: Member) -> HttpResponse {
    member.page(View::Delete { has_grace: has_grace(&member) }).send()
}

/// Deletes the account, or mails a code for a user who does not know the password.
pub async fn submit(mut form: MemberSubmission) -> HttpResponse {
    if form.submission.value("action") == Some("code") {
        return request_code(&form).await;
    }
    match delete(&mut form).await {
        Ok(deleted) => deleted,
        Err(why) => form.again(View::Delete { has_grace: has_grace(&form.member) }, &why),
    }
}

/// Answers a user whose account is deleted, or will be.
fn deleted(visit: &Visit, notice: &str) -> HttpResponse {
    cookies::end(&visit.request, &visit.app, Credential::Cookie);
    visit.redirect(&format!("/sign-in?notice={notice}"))
}

async fn request_code(form: &MemberSubmission) -> HttpResponse {
    let Member { visit, claims, .. } = &form.member;
    match visit.app.accounts.request_deletion_code(claims, visit.origin.clone()).await {
        Ok(()) => visit.redirect("/delete-account?notice=deletion_code_sent"),
        Err(why) => {
            form.again(View::Delete { has_grace: has_grace(&form.member) }, &ApiError::from(why))
        }
    }
}

/// Deletes the account, and removes the cookie of its session.
pub async fn delete(form: &mut MemberSubmission) -> Result<HttpResponse, ApiError> {
    let proof: DeletionProof = form.submission.read()?;
    let Member { visit, claims, .. } = &form.member;
    let accounts = &visit.app.accounts;
    match accounts.delete_account(claims, proof, visit.origin.clone()).await {
        Ok(Some(_)) => Ok(deleted(visit, "deletion_begun")),
        Ok(None) => Ok(deleted(visit, "deleted")),
        // A browser may send the form twice: the second copy finds the account deleted by the first.
        Err(why) => match accounts.deletion_of(claims.sub.clone()).await? {
            Deletion::NotAsked => Err(why.into()),
            Deletion::Begun => Ok(deleted(visit, "deletion_begun")),
            Deletion::Done => Ok(deleted(visit, "deleted")),
        },
    }
}

/// Returns whether the user can return within a grace period.
pub fn has_grace(member: &Member) -> bool {
    !member.visit.app.accounts.times.deletion_grace.is_zero()
}
