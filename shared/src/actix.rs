//! The extractors for actix-web. The app needs a [`Verifier`]: `App::new().app_data(Data::new(verifier))`.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    error::InternalError,
    http::{
        StatusCode,
        header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    web::Data,
};

use crate::{
    AccessToken, Requires, Verifier, VerifyError,
    extract::{Requirement, bearer_token},
    problem::Problem,
};

/// A decision, which nearly always is here already.
pub enum Decision<T> {
    /// Nothing had to be waited for.
    Now(Ready<Result<T, actix_web::Error>>),
    /// The issuer's keys are being fetched.
    Later(Pin<Box<dyn Future<Output = Result<T, actix_web::Error>>>>),
}

impl<T> Future for Decision<T> {
    type Output = Result<T, actix_web::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Now(now) => Pin::new(now).poll(context),
            Self::Later(later) => later.as_mut().poll(context),
        }
    }
}

fn decide<T: 'static>(
    request: &HttpRequest,
    check: fn(AccessToken) -> Result<T, VerifyError>,
) -> Decision<T> {
    let Some(verifier) = request.app_data::<Data<Verifier>>() else {
        return Decision::Now(ready(Err(no_verifier())));
    };
    let headers = request.headers().get_all(AUTHORIZATION).map(|value| value.as_bytes());
    let decided = match bearer_token(headers) {
        Ok(token) => match verifier.verify_with_known_keys(token) {
            Err(VerifyError::UnknownKey | VerifyError::KeysUnavailable) => {
                let (verifier, token) = (verifier.clone(), token.to_owned());
                return Decision::Later(Box::pin(async move {
                    Ok(check(AccessToken(verifier.verify(&token).await?))?)
                }));
            }
            decided => decided,
        },
        Err(why) => Err(why),
    };
    if let Ok(claims) = &decided
        && log::log_enabled!(target: "request", log::Level::Debug)
    {
        // Whose request it is, for the log.
        request.extensions_mut().insert(AccessToken(Arc::clone(claims)));
    }
    Decision::Now(ready(decided.and_then(|claims| check(AccessToken(claims))).map_err(Into::into)))
}

fn no_verifier() -> actix_web::Error {
    let why = "no Verifier in the app's data: add .app_data(Data::new(verifier))";
    log::error!("{why}");
    InternalError::from_response(why, Problem::new(500, "error", "Something went wrong here.").into()).into()
}

impl FromRequest for AccessToken {
    type Error = actix_web::Error;
    type Future = Decision<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        decide(request, Ok)
    }
}

impl<R: Requirement + 'static> FromRequest for Requires<R> {
    type Error = actix_web::Error;
    type Future = Decision<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        decide(request, Self::check)
    }
}

impl ResponseError for VerifyError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status()).unwrap_or(StatusCode::UNAUTHORIZED)
    }

    fn error_response(&self) -> HttpResponse {
        let problem = self.problem();
        let mut response = problem.response();
        match self.challenge() {
            Some(challenge) => response.insert_header((WWW_AUTHENTICATE, challenge)),
            None => response.insert_header((RETRY_AFTER, "1")),
        };
        problem.finish(response)
    }
}
