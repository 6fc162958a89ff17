//! `/account/password`: a user replaces the password.

use actix_web::HttpResponse;

use crate::{
    accounts::{ChangePasswordError, PasswordChangeRequest},
    http::{
        cookies,
        error::ApiError,
        pages::{
            member::{Member, MemberSubmission},
            view::View,
        },
    },
    tokens::Credential,
};

/// Shows the form.
pub async fn show(member: Member) -> HttpResponse {
    member.page(view(&member)).send()
}

/// Replaces the password. All other sessions of the user end.
pub async fn submit(mut form: MemberSubmission) -> HttpResponse {
    match change(&mut form).await {
        Ok(()) => form.member.visit.redirect("/account?notice=password_changed"),
        Err(why) => form.again(view(&form.member), &why),
    }
}

async fn change(form: &mut MemberSubmission) -> Result<(), ApiError> {
    let request: PasswordChangeRequest = form.submission.read()?;
    let next = request.next.clone();
    let request = PasswordChangeRequest { keep_session: true, ..request };
    let Member { visit, claims, .. } = &form.member;
    let change = async |request| {
        let origin = visit.origin.clone();
        visit.app.accounts.change_password(claims, request, Credential::Cookie, origin).await
    };
    let changed = match change(request).await {
        // A browser may send the form twice: the second copy proves the new password.
        Err(ChangePasswordError::WrongPassword) => {
            let again = PasswordChangeRequest { current: next.clone(), next, keep_session: true };
            change(again).await?
        }
        changed => changed?,
    };
    if let Some(cookie) = changed.and_then(|tokens| tokens.cookie) {
        cookies::set(&visit.request, &visit.app, &cookie, None);
    }
    Ok(())
}

fn view(member: &Member) -> View {
    View::Password { password_min: member.visit.pages.password_min }
}
