//! `/sign-up`: a visitor registers.

use actix_web::HttpResponse;

use super::{sign_in::log_in, submission::Submission, view::View, visit::Visit};
use crate::{
    accounts::{LoginName, LoginRequest, Registration, RegistrationError},
    domain::account_rules::{EmailVerification, Registration as RegistrationMode},
    http::error::ApiError,
    tokens::Credential,
};

/// Shows the form, with the address and the code of an invitation.
pub async fn show(visit: Visit) -> HttpResponse {
    let invitation = visit.query("code");
    let page = visit.page(view(&visit, invitation.is_some()));
    let page = page.filled_with("email", visit.query("email"));
    let page = page.filled_with("invitation", invitation);
    page.returning_to(visit.return_to().as_ref()).send()
}

/// Registers the visitor, who is then signed in if the address need not be verified first.
pub async fn submit(mut submission: Submission) -> HttpResponse {
    let has_invitation = submission.value("invitation").is_some();
    let return_to = submission.return_to();
    let outcome = register(&mut submission).await;
    let visit = &submission.visit;
    match outcome {
        Ok(SignedUp::NeedsCode) => {
            visit.redirect_with_return("/verify", "registered_unverified", return_to)
        }
        Ok(SignedUp::SignedIn) => visit.redirect_signed_in(return_to.as_ref()),
        Ok(SignedUp::NotSignedIn) => {
            visit.redirect_with_return("/sign-in", "registered", return_to)
        }
        Err(why) => submission.again(view(visit, has_invitation), &why),
    }
}

/// What a new user does next.
enum SignedUp {
    /// Nothing: the browser has the session.
    SignedIn,
    /// Sign in.
    NotSignedIn,
    /// Verify the address.
    NeedsCode,
}

async fn register(submission: &mut Submission) -> Result<SignedUp, ApiError> {
    let app = submission.visit.app.clone();
    app.accounts.require_open_registration()?;
    let registration: Registration = submission.read()?;
    let Visit { origin, language, .. } = &submission.visit;
    let registration = Registration { language: *language, ..registration };
    let login = LoginRequest {
        name: LoginName::new(registration.username.as_str().to_owned()),
        password: registration.password.clone(),
        earlier_tokens: Vec::new(),
        audiences: Vec::new(),
        credential: Credential::Cookie,
        mails_code: false,
    };
    let must_verify = app.accounts.rules.email_verification == EmailVerification::Required;
    let registered = app.accounts.register(registration, origin.clone()).await;
    let repeated = match registered {
        Ok(_) if must_verify => return Ok(SignedUp::NeedsCode),
        Ok(_) => None,
        // A form that a browser sent twice finds its names taken, by the user of the form. If
        // the address must be verified, the page does not state whether it is taken.
        Err(RegistrationError::Taken(taken)) if taken.username && (taken.email || must_verify) => {
            Some(taken)
        }
        Err(why) => return Err(why.into()),
    };
    match (log_in(&submission.visit, login).await, repeated) {
        (Ok(()), _) => Ok(SignedUp::SignedIn),
        (Err(ApiError::EmailNotVerified), _) => Ok(SignedUp::NeedsCode),
        (Err(_), None) => Ok(SignedUp::NotSignedIn),
        (Err(_), Some(taken)) => Err(RegistrationError::Taken(taken).into()),
    }
}

fn view(visit: &Visit, has_invitation: bool) -> View {
    let mode = visit.app.accounts.rules.registration;
    View::SignUp {
        is_closed: mode == RegistrationMode::Closed,
        asks_for_invitation: has_invitation || mode == RegistrationMode::Invite,
        password_min: visit.pages.password_min,
    }
}
