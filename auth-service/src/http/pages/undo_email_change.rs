//! `/undo-email-change`: the owner of a former email address takes the account back.

use actix_web::HttpResponse;

use super::{submission::Submission, view::View, visit::Visit};
use crate::http::{api::email_change_undo::EmailChangeUndo, error::ApiError};

/// Shows the form, with the address and the code of the link in a mail.
pub async fn show(visit: Visit) -> HttpResponse {
    let page = visit.page(View::UndoEmailChange).filled_with("email", visit.query("email"));
    page.filled_with("code", visit.query("code")).send()
}

/// Takes the account back. The owner then sets a password with a code from another mail.
pub async fn submit(mut submission: Submission) -> HttpResponse {
    match undo(&mut submission).await {
        Ok(()) => submission.visit.redirect("/reset?notice=taken_back"),
        Err(why) => submission.again(View::UndoEmailChange, &why),
    }
}

async fn undo(submission: &mut Submission) -> Result<(), ApiError> {
    let EmailChangeUndo { former, code } = submission.read()?;
    let Visit { app, origin, .. } = &submission.visit;
    Ok(app.accounts.undo_email_change(former, code, origin.clone()).await?)
}
