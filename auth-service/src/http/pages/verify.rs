//! `/verify`: a user proves to read the mail of the account's address.

use actix_web::HttpResponse;

use super::{submission::Submission, view::View, visit::Visit};
use crate::http::{
    api::email_verify::{EmailVerification, EmailVerificationRequest, user_key},
    error::ApiError,
    extract::{MaybeUser, user_of_cookie},
};
use crate::tokens::Credential;

/// Shows the form, with the address and the code of the link in a mail. A GET spends no code,
/// because mail scanners follow links.
pub async fn show(mut visit: Visit) -> HttpResponse {
    let email = match visit.query("email") {
        Some(_) => None,
        None => address_of_user(&mut visit).await,
    };
    let page = visit.page(View::Verify { email });
    let page = page.filled_with("email", visit.query("email"));
    let page = page.filled_with("code", visit.query("code"));
    page.returning_to(visit.return_to().as_ref()).send()
}

/// Verifies the address with the code, or mails a new code.
pub async fn submit(mut submission: Submission) -> HttpResponse {
    let is_resent = submission.value("action") == Some("resend");
    let outcome = match is_resent {
        true => request_code(&mut submission).await,
        false => verify(&mut submission).await,
    };
    let return_to = submission.return_to();
    match outcome {
        Ok(()) if is_resent => {
            submission.visit.redirect_with_return("/verify", "verification_sent", return_to)
        }
        Ok(()) => submission.visit.redirect_with_return("/sign-in", "verified", return_to),
        Err(why) => {
            let email = match submission.value("email") {
                Some(_) => None,
                None => address_of_user(&mut submission.visit).await,
            };
            submission.again(View::Verify { email }, &why)
        }
    }
}

async fn request_code(submission: &mut Submission) -> Result<(), ApiError> {
    let EmailVerificationRequest { email } = submission.read()?;
    let Visit { app, origin, .. } = &submission.visit;
    let key = user_key(user(&submission.visit).await?, email)?;
    Ok(app.accounts.request_email_verification(key, origin.clone()).await?)
}

async fn verify(submission: &mut Submission) -> Result<(), ApiError> {
    let EmailVerification { email, code } = submission.read()?;
    let Visit { app, origin, .. } = &submission.visit;
    let key = user_key(user(&submission.visit).await?, email)?;
    Ok(app.accounts.verify_email(key, code, origin.clone()).await?)
}

async fn user(visit: &Visit) -> Result<MaybeUser, ApiError> {
    let claims = user_of_cookie(&visit.request, &visit.app).await?;
    Ok(MaybeUser { claims, credential: Credential::Cookie })
}

/// Returns the address of the user who is signed in, whose form has no field for it. The page is
/// then in the user's language.
async fn address_of_user(visit: &mut Visit) -> Option<String> {
    let claims = user(visit).await.ok()?.claims?;
    let profile = visit.app.accounts.profile(claims.sub.clone()).await.ok()?;
    visit.language = profile.language;
    Some(profile.email)
}
