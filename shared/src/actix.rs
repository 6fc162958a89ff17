//! [`AccessToken`]: one argument that protects a handler.

use std::{future::Future, ops::Deref, pin::Pin};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    http::{
        StatusCode,
        header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    web::Data,
};

use crate::{Verifier, VerifyError, claims::AccessClaims, problem::Problem};

/// The verified claims of the request's access token. A request without a valid one never reaches the handler.
///
/// The app needs a [`Verifier`]: `App::new().app_data(Data::new(verifier))`.
#[derive(Clone, Debug)]
pub struct AccessToken(pub AccessClaims);

impl Deref for AccessToken {
    type Target = AccessClaims;

    fn deref(&self) -> &AccessClaims {
        &self.0
    }
}

impl FromRequest for AccessToken {
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self, Self::Error>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let Some(verifier) = request.app_data::<Data<Verifier>>() else {
                log::error!("no Verifier in the app's data: add .app_data(Data::new(verifier))");
                return Err(actix_web::error::InternalError::from_response(
                    "no Verifier in the app's data",
                    Problem::new(500, "error", "Something went wrong here.").into(),
                )
                .into());
            };
            let claims = verifier.verify(bearer_token(&request)?).await?;
            Ok(Self(claims))
        })
    }
}

/// The token of the request's one `Authorization: Bearer` header (RFC 6750 section 2.1).
///
/// # Errors
/// [`VerifyError::Missing`] or [`VerifyError::MalformedHeader`].
pub fn bearer_token(request: &HttpRequest) -> Result<&str, VerifyError> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let header = headers.next().ok_or(VerifyError::Missing)?;
    if headers.next().is_some() {
        return Err(VerifyError::MalformedHeader);
    }
    let (scheme, token) = header
        .to_str()
        .ok()
        .and_then(|header| header.trim().split_once(' '))
        .ok_or(VerifyError::MalformedHeader)?;
    let token = token.trim_start();
    if !scheme.eq_ignore_ascii_case("Bearer") || token.is_empty() || token.contains([' ', ',']) {
        return Err(VerifyError::MalformedHeader);
    }
    Ok(token)
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
