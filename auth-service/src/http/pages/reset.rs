//! `/reset`: a user sets a password with a code.

use actix_web::HttpResponse;

use super::{submission::Submission, view::View, visit::Visit};
use crate::{accounts::PasswordResetRequest, http::error::ApiError};

/// Shows the form, with the address and the code of the link in a mail.
pub async fn show(visit: Visit) -> HttpResponse {
    let page = visit.page(view(&visit)).filled_with("username", visit.query("email"));
    page.filled_with("code", visit.query("code")).send()
}

/// Sets the password. All sessions of the user end.
pub async fn submit(mut submission: Submission) -> HttpResponse {
    match reset(&mut submission).await {
        Ok(()) => submission.visit.redirect("/sign-in?notice=password_set"),
        Err(why) => submission.again(view(&submission.visit), &why),
    }
}

async fn reset(submission: &mut Submission) -> Result<(), ApiError> {
    let request: PasswordResetRequest = submission.read()?;
    let Visit { app, origin, .. } = &submission.visit;
    Ok(app.accounts.reset_password(request, origin.clone()).await?)
}

fn view(visit: &Visit) -> View {
    View::Reset { password_min: visit.pages.password_min }
}
