//! `/forgot`: a user who lost the password asks for a code.

use actix_web::HttpResponse;

use super::{submission::Submission, view::View, visit::Visit};
use crate::http::{api::password_reset::PasswordResetMailRequest, error::ApiError};

/// Shows the form.
pub async fn show(visit: Visit) -> HttpResponse {
    visit.page(View::Forgot).send()
}

/// Mails a code, if there is such a user. The answer is the same if there is none.
pub async fn submit(mut submission: Submission) -> HttpResponse {
    match request_code(&mut submission).await {
        Ok(()) => submission.visit.redirect("/reset?notice=reset_sent"),
        Err(why) => submission.again(View::Forgot, &why),
    }
}

async fn request_code(submission: &mut Submission) -> Result<(), ApiError> {
    let PasswordResetMailRequest { key } = submission.read()?;
    let Visit { app, origin, .. } = &submission.visit;
    Ok(app.accounts.request_password_reset(key, origin.clone()).await?)
}
