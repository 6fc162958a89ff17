//! `/account/profile`: a user changes the username or the language.

use actix_web::HttpResponse;

use crate::{
    accounts::{Profile, ProfileChange},
    http::{
        error::ApiError,
        pages::{
            member::{Member, MemberSubmission},
            view::View,
            visit::with_query,
        },
    },
};

/// Shows the form, with what the user typed before the password was asked for.
pub async fn show(member: Member) -> HttpResponse {
    let Member { visit, profile, .. } = &member;
    let username = visit.query("username").unwrap_or(&profile.username);
    let language = visit.query("language").unwrap_or(profile.language.tag());
    let page = member.page(View::Profile).filled_with("username", Some(username));
    page.filled_with("language", Some(language)).send()
}

/// Changes the profile. A new username asks for a recent login.
pub async fn submit(mut form: MemberSubmission) -> HttpResponse {
    match change(&mut form).await {
        Ok(_) => form.member.visit.redirect("/account?notice=saved"),
        Err(ApiError::ReauthenticationRequired(_)) => form.member.to_confirm(&typed_again(&form)),
        Err(why) => form.again(View::Profile, &why),
    }
}

async fn change(form: &mut MemberSubmission) -> Result<Profile, ApiError> {
    let change: ProfileChange = form.submission.read()?;
    let Member { visit, claims, .. } = &form.member;
    Ok(visit.app.accounts.change_profile(claims, change, visit.origin.clone()).await?)
}

/// Returns the address of the form with what the user typed.
fn typed_again(form: &MemberSubmission) -> String {
    let typed = |name| (name, Some(form.submission.value(name).unwrap_or_default()));
    with_query("/account/profile", &["username", "language"].map(typed))
}
