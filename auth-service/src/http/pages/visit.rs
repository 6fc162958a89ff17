//! A request for a page, and the answers to it.

use std::{
    collections::BTreeMap,
    future::{Ready, ready},
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    http::{
        StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName,
            HeaderValue, LOCATION, REFERRER_POLICY, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
            X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    web::Data,
};

use super::{
    service::Pages,
    templates::{Frame, PageUser},
    view::View,
};
use crate::{
    app::App,
    domain::{language::Language, return_to::ReturnTo, session::Origin},
    http::{
        error::{ApiError, retry_after_seconds},
        extract::AcceptedLanguage,
    },
};

/// Query of the address to which a sign-in leads. A request that has it and no cookie comes from a
/// browser that keeps no cookies.
pub const SIGNED_IN: &str = "signed-in";

/// A request for a page.
#[derive(Clone)]
pub struct Visit {
    pub app: Data<App>,
    pub pages: Data<Pages>,
    pub request: HttpRequest,
    /// User agent and address of the visitor.
    pub origin: Origin,
    pub language: Language,
    query: BTreeMap<String, String>,
}

impl FromRequest for Visit {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        ready(Self::of(request, payload))
    }
}

impl Visit {
    fn of(request: &HttpRequest, payload: &mut Payload) -> Result<Self, ApiError> {
        let app = request.app_data::<Data<App>>().ok_or(ApiError::Internal)?;
        let pages = request.app_data::<Data<Pages>>().ok_or(ApiError::Internal)?;
        let Ok(AcceptedLanguage(language)) =
            AcceptedLanguage::from_request(request, payload).into_inner();
        let query = form_urlencoded::parse(request.query_string().as_bytes());
        Ok(Self {
            app: app.clone(),
            pages: pages.clone(),
            request: request.clone(),
            origin: Origin::from_request(request, payload).into_inner()?,
            language,
            query: query.into_owned().collect(),
        })
    }

    /// Returns a parameter of the query.
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// Returns the page to which the user returns after signing in, as the query names it. An
    /// address that is not allowed counts as missing.
    pub fn return_to(&self) -> Option<ReturnTo> {
        self.query("return_to").and_then(|text| self.pages.targets.parse(text))
    }

    /// Begins the answer with a page.
    pub fn page(&self, view: View) -> PageAnswer<'_> {
        let notice = self.query("notice").filter(|name| view.notices().contains(name));
        let notice = notice.and_then(|name| self.pages.templates.texts(self.language).notice(name));
        let frame = Frame { notice: notice.map(str::to_owned), ..self.pages.frame() };
        PageAnswer { visit: self, view, frame, status: StatusCode::OK, headers: Vec::new() }
    }

    /// Answers with another page of this service: 303, so that a reload sends no form again.
    pub fn redirect(&self, path: &str) -> HttpResponse {
        self.redirect_to(&format!("{}{path}", self.pages.base))
    }

    /// Answers with the page to which the user returns, or with `path`.
    pub fn redirect_back(&self, return_to: Option<&ReturnTo>, path: &str) -> HttpResponse {
        match return_to {
            Some(return_to) => self.redirect_to(return_to.as_str()),
            None => self.redirect(path),
        }
    }

    /// Answers a user who has just signed in. The sign-in page sends the user on, or tells the user
    /// that the browser keeps no cookies.
    pub fn redirect_signed_in(&self, return_to: Option<&ReturnTo>) -> HttpResponse {
        self.redirect(&with_query("/sign-in", &[(SIGNED_IN, Some("1")), returning(return_to)]))
    }

    /// Answers with another page, a notice on it, and the page to which the user returns later.
    pub fn redirect_with_return(
        &self,
        path: &str,
        notice: &str,
        return_to: Option<ReturnTo>,
    ) -> HttpResponse {
        let query = [("notice", Some(notice)), returning(return_to.as_ref())];
        self.redirect(&with_query(path, &query))
    }

    fn redirect_to(&self, location: &str) -> HttpResponse {
        HttpResponse::SeeOther()
            .insert_header((LOCATION, location))
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((REFERRER_POLICY, "same-origin"))
            .finish()
    }

    /// Answers with a page about a problem.
    pub fn problem(&self, why: &ApiError) -> HttpResponse {
        let view = View::Problem { title: "problem_title", link: None };
        self.page(view).refused(why).send()
    }
}

/// Returns a path with the parameters that have a value.
pub fn with_query(path: &str, parameters: &[(&str, Option<&str>)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for (name, value) in parameters {
        query.extend_pairs(value.map(|value| (name, value)));
    }
    format!("{path}?{}", query.finish())
}

/// Returns the parameter with the page to which the user returns after signing in.
fn returning(return_to: Option<&ReturnTo>) -> (&'static str, Option<&str>) {
    ("return_to", return_to.map(ReturnTo::as_str))
}

/// An answer with a page.
pub struct PageAnswer<'a> {
    visit: &'a Visit,
    view: View,
    frame: Frame,
    status: StatusCode,
    /// Headers that the refusal needs.
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl PageAnswer<'_> {
    /// Sets what the form contains.
    pub fn filled(mut self, values: BTreeMap<String, String>) -> Self {
        self.frame.values.extend(values);
        self
    }

    /// Sets what a field of the form contains, if there is a value.
    pub fn filled_with(mut self, name: &str, value: Option<&str>) -> Self {
        self.frame.values.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        self
    }

    /// Sets the page to which the user returns after signing in.
    pub fn returning_to(mut self, return_to: Option<&ReturnTo>) -> Self {
        if let Some(return_to) = return_to {
            self.frame.carry = with_query("", &[returning(Some(return_to))]);
            self.frame.return_to = Some(return_to.as_str().to_owned());
        }
        self
    }

    /// Sets the user whose account the page shows.
    pub fn of_user(mut self, user: PageUser) -> Self {
        self.frame.user = Some(user);
        self
    }

    /// Sets why the request was refused, by a reason that only pages have. `text` is the key of the
    /// explanation.
    pub fn refused_by_page(mut self, status: StatusCode, text: &str) -> Self {
        self.status = status;
        self.frame.notice = None;
        let texts = self.visit.pages.templates.texts(self.visit.language);
        self.frame.alert = texts.text(text, &[]);
        self
    }

    /// Sets why the form was refused: the status, the headers and the texts.
    pub fn refused(mut self, why: &ApiError) -> Self {
        let texts = self.visit.pages.templates.texts(self.visit.language);
        let as_problem = why.error_response();
        self.status = as_problem.status();
        let names = [RETRY_AFTER, WWW_AUTHENTICATE];
        let kept = |name| as_problem.headers().get(&name).map(|value| (name, value.clone()));
        self.headers.extend(names.into_iter().filter_map(kept));
        self.frame.notice = None;
        match why {
            ApiError::Fields(errors) => {
                let translated = errors.iter().map(|(field, messages)| {
                    let messages = messages.iter().map(|message| texts.message(message));
                    (field.clone(), messages.collect())
                });
                self.frame.errors = translated.collect();
            }
            ApiError::Throttled(wait) => {
                let seconds = retry_after_seconds(*wait);
                let time = match seconds {
                    ..=120 => format!("{seconds} seconds"),
                    _ => format!("{} minutes", seconds.div_ceil(60)),
                };
                let english = format!("Too many attempts have failed. Try again in {time}.");
                self.frame.alert = Some(texts.message(&english));
            }
            why => self.frame.alert = Some(texts.message(&why.to_string())),
        }
        self
    }

    /// Returns the response.
    pub fn send(self) -> HttpResponse {
        let Visit { pages, language, .. } = self.visit;
        let body = match pages.render(*language, &self.frame, &self.view) {
            Ok(body) => body,
            Err(why) => {
                log::error!("a page template (PAGE_TEMPLATES) fails: {why}");
                return ApiError::Internal.error_response();
            }
        };
        let mut response = HttpResponse::build(self.status);
        self.headers.into_iter().for_each(|header| {
            response.insert_header(header);
        });
        response
            .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
            .insert_header((CONTENT_LANGUAGE, language.tag()))
            .insert_header((CONTENT_SECURITY_POLICY, pages.policy.clone()))
            .insert_header((X_FRAME_OPTIONS, "DENY"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            // With `no-referrer`, browsers send forms with the header `Origin: null`.
            .insert_header((REFERRER_POLICY, "same-origin"))
            .insert_header(("Cross-Origin-Opener-Policy", "same-origin"))
            .insert_header(("Permissions-Policy", "camera=(), geolocation=(), microphone=()"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((VARY, "Accept-Language, Cookie"))
            .body(body)
    }
}
