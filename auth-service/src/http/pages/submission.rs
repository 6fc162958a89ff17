//! A form that a page sent.

use std::{collections::BTreeMap, mem, sync::Arc};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, dev::Payload, error::InternalError, http::StatusCode,
};
use futures_util::future::LocalBoxFuture;

use super::{
    view::{Link, View},
    visit::Visit,
};
use crate::{
    domain::return_to::ReturnTo,
    http::{
        cookies,
        error::ApiError,
        form::{Form, FromForm, read_encoded},
    },
};

/// A form that a page of this service sent, and the request for the page that answers it.
pub struct Submission {
    pub visit: Visit,
    /// What the user typed, except passwords.
    pub values: BTreeMap<String, String>,
    form: Form,
}

impl FromRequest for Submission {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let visit = Visit::from_request(request, payload).into_inner();
        let payload = payload.take();
        Box::pin(async move {
            let visit = visit?;
            if !cookies::is_from_own_page(&visit.request, &visit.app) {
                return Err(refusal(cross_site(&visit)));
            }
            let rules = Arc::clone(&visit.app.accounts.rules);
            match read_encoded(&visit.request, payload, rules).await {
                Ok(form) => Ok(Self { values: form.shown_values(), form, visit }),
                Err(why) => Err(refusal(visit.problem(&why))),
            }
        })
    }
}

/// Returns the error of an extractor that answers with this page.
pub fn refusal(page: HttpResponse) -> actix_web::Error {
    InternalError::from_response("the page refuses the request", page).into()
}

/// Answers a form that another site sent.
fn cross_site(visit: &Visit) -> HttpResponse {
    let address = format!("{}{}", visit.pages.issuer, visit.request.path());
    let texts = visit.pages.templates.texts(visit.language);
    let values = [("address", visit.app.origins.issuer().to_owned())];
    let label = texts.text("cross_site_link", &values).unwrap_or_default();
    let link = Link { href: address, label };
    visit
        .page(View::Problem { title: "cross_site_title", link: Some(link) })
        .refused_by_page(StatusCode::FORBIDDEN, "cross_site_text")
        .send()
}

impl Submission {
    /// Reads the request of a use case from the form.
    ///
    /// # Errors
    /// [`ApiError::Fields`].
    pub fn read<T: FromForm>(&mut self) -> Result<T, ApiError> {
        mem::take(&mut self.form).read()
    }

    /// Returns the value of a field that is no password.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Returns the page to which the user returns after signing in, as the form names it.
    pub fn return_to(&self) -> Option<ReturnTo> {
        self.value("return_to").and_then(|text| self.visit.pages.targets.parse(text))
    }

    /// Answers with the form again.
    pub fn again(&self, view: View, why: &ApiError) -> HttpResponse {
        let page = self.visit.page(view).filled(self.values.clone());
        page.returning_to(self.return_to().as_ref()).refused(why).send()
    }
}
