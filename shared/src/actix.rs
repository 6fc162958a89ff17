//! Extractors for actix-web. The app has a [`Verifier`] in its data:
//! `App::new().app_data(Data::new(verifier))`.

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
    AccessToken, OptionalToken, Requirement, Requires, Verifier, VerifyError, claims::AccessClaims,
    extract::bearer_token, problem::Problem,
};

/// Future of an extractor. It allocates only if the verifier has to fetch keys first.
pub enum ExtractFuture<T> {
    /// The token is verified, or refused.
    Ready(Ready<Result<T, actix_web::Error>>),
    /// The verifier is fetching the issuer's keys.
    FetchingKeys(Pin<Box<dyn Future<Output = Result<T, actix_web::Error>>>>),
}

impl<T> Future for ExtractFuture<T> {
    type Output = Result<T, actix_web::Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Self::Ready(ready) => Pin::new(ready).poll(context),
            Self::FetchingKeys(fetching) => fetching.as_mut().poll(context),
        }
    }
}

/// Verifies the request's token and applies `check` to it.
fn extract<T: 'static>(
    request: &HttpRequest,
    check: fn(AccessToken) -> Result<T, VerifyError>,
) -> ExtractFuture<T> {
    let Some(verifier) = request.app_data::<Data<Verifier>>() else {
        return ExtractFuture::Ready(ready(Err(missing_verifier())));
    };
    let headers = request.headers().get_all(AUTHORIZATION).map(|value| value.as_bytes());
    let verified = match bearer_token(headers) {
        Ok(token) => match verifier.verify_with_known_keys(token) {
            Err(VerifyError::UnknownKey | VerifyError::KeysUnavailable) => {
                return fetch_keys_and_verify(verifier.get_ref().clone(), token.to_owned(), check);
            }
            verified => verified,
        },
        Err(error) => Err(error),
    };
    if let Ok(claims) = &verified {
        save_for_log(request, claims);
    }
    let checked = verified.and_then(|claims| check(AccessToken(claims)));
    ExtractFuture::Ready(ready(checked.map_err(Into::into)))
}

fn fetch_keys_and_verify<T: 'static>(
    verifier: Verifier,
    token: String,
    check: fn(AccessToken) -> Result<T, VerifyError>,
) -> ExtractFuture<T> {
    ExtractFuture::FetchingKeys(Box::pin(async move {
        let claims = verifier.verify(&token).await?;
        Ok(check(AccessToken(claims))?)
    }))
}

/// Saves the claims in the request, so that a middleware that logs requests can name the user.
fn save_for_log(request: &HttpRequest, claims: &Arc<AccessClaims>) {
    if log::log_enabled!(target: "request", log::Level::Debug) {
        request.extensions_mut().insert(AccessToken(Arc::clone(claims)));
    }
}

fn missing_verifier() -> actix_web::Error {
    let error = "no Verifier in the app's data: add .app_data(Data::new(verifier))";
    log::error!("{error}");
    let problem = Problem::new(500, "error", "An internal error occurred.");
    InternalError::from_response(error, problem.into()).into()
}

impl FromRequest for AccessToken {
    type Error = actix_web::Error;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, Ok)
    }
}

impl FromRequest for OptionalToken {
    type Error = actix_web::Error;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        if request.headers().contains_key(AUTHORIZATION) {
            return extract(request, |token| Ok(Self(Some(token))));
        }
        ExtractFuture::Ready(ready(Ok(Self(None))))
    }
}

impl<R: Requirement + 'static> FromRequest for Requires<R> {
    type Error = actix_web::Error;
    type Future = ExtractFuture<Self>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        extract(request, Self::check)
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
