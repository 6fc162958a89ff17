//! A request of a user who is signed in, for a page of the user's account.

use std::sync::Arc;

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, http::StatusCode};
use futures_util::future::LocalBoxFuture;
use shared::claims::AccessClaims;

use super::{
    submission::{Submission, refusal},
    templates::PageUser,
    view::{Link, View},
    visit::{PageAnswer, Visit, with_query},
};
use crate::{
    accounts::{Profile, ProfileError, RecentLoginError},
    http::{cookies, error::ApiError, extract::user_of_cookie},
    tokens::Credential,
};

/// A user who is signed in, and the request for a page.
pub struct Member {
    pub visit: Visit,
    pub claims: Arc<AccessClaims>,
    pub profile: Profile,
}

impl FromRequest for Member {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visit = Visit::from_request(request, payload).into_inner();
        Box::pin(async move { Self::of(visit?).await })
    }
}

impl Member {
    /// Returns the user who is signed in. The page is then in the user's language.
    ///
    /// # Errors
    /// The redirection to the sign-in page, or a page about a failure of this service.
    async fn of(mut visit: Visit) -> Result<Self, actix_web::Error> {
        let claims = match user_of_cookie(&visit.request, &visit.app).await {
            Ok(Some(claims)) => claims,
            Ok(None) => return Err(refusal(to_sign_in(&visit))),
            Err(why) => return Err(refusal(visit.problem(&why))),
        };
        match visit.app.accounts.profile(claims.sub.clone()).await {
            Ok(profile) => {
                visit.language = profile.language;
                Ok(Self { visit, claims, profile })
            }
            Err(ProfileError::UnknownUser) => {
                // Otherwise the sign-in page would send the deleted user back here.
                cookies::end(&visit.request, &visit.app, Credential::Cookie);
                Err(refusal(to_sign_in(&visit)))
            }
            Err(ProfileError::Store(why)) => Err(refusal(visit.problem(&why.into()))),
        }
    }

    /// Begins the answer with a page of the account.
    pub fn page(&self, view: View) -> PageAnswer<'_> {
        self.visit.page(view).of_user(self.user())
    }

    fn user(&self) -> PageUser {
        PageUser { id: self.claims.sub.clone(), username: self.profile.username.clone() }
    }

    /// Returns the answer to a user whose login is not recent: the page on which the user proves
    /// the password again, and which then leads to `path`. `None`: the login is recent.
    pub async fn confirm_first(&self, path: &str) -> Option<HttpResponse> {
        match self.visit.app.accounts.require_recent_login(&self.claims).await {
            Ok(()) => None,
            Err(RecentLoginError::TooOld(_)) => Some(self.to_confirm(path)),
            Err(why) => Some(self.visit.problem(&why.into())),
        }
    }

    /// Answers with the page on which the user proves the password again.
    pub fn to_confirm(&self, path: &str) -> HttpResponse {
        self.visit.redirect(&with_return("/account/confirm", &self.visit.pages.base, path))
    }
}

/// Answers a request without a session: the user signs in, and comes back to the page.
fn to_sign_in(visit: &Visit) -> HttpResponse {
    let uri = visit.request.uri();
    let path = uri.path_and_query().map_or(uri.path(), |path| path.as_str());
    visit.redirect(&with_return("/sign-in", &visit.pages.base, path))
}

/// Returns `page` with a query that leads to `path` afterwards.
fn with_return(page: &str, base: &str, path: &str) -> String {
    with_query(page, &[("return_to", Some(&format!("{base}{path}")))])
}

/// A form that a page of the account sent, of the user who is signed in.
pub struct MemberSubmission {
    pub member: Member,
    pub submission: Submission,
}

impl FromRequest for MemberSubmission {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let submission = Submission::from_request(request, payload);
        Box::pin(async move {
            let submission = submission.await?;
            let member = Member::of(submission.visit.clone()).await?;
            if submission.value("user") != Some(member.claims.sub.as_str()) {
                return Err(refusal(other_user(&member)));
            }
            Ok(Self { member, submission })
        })
    }
}

/// Answers a form that was made for another user: two users share the browser, and the form is from
/// before the second one signed in.
fn other_user(member: &Member) -> HttpResponse {
    member.page(other_user_view(&member.visit)).refused_by_page(StatusCode::FORBIDDEN, OTHER).send()
}

/// Key of the explanation of [`other_user_view`].
pub const OTHER: &str = "other_user_text";

/// Returns the page about a form of another user.
pub fn other_user_view(visit: &Visit) -> View {
    let texts = visit.pages.templates.texts(visit.language);
    let label = texts.text("other_user_link", &[]).unwrap_or_default();
    let link = Link { href: format!("{}/account", visit.pages.base), label };
    View::Problem { title: "other_user_title", link: Some(link) }
}

impl MemberSubmission {
    /// Answers with the form again, or with the sign-in page if the session has ended meanwhile.
    pub fn again(&self, view: View, why: &ApiError) -> HttpResponse {
        if let ApiError::AccessToken(_) = why {
            return to_sign_in(&self.member.visit);
        }
        let page = self.member.page(view).filled(self.submission.values.clone());
        page.returning_to(self.submission.return_to().as_ref()).refused(why).send()
    }
}
