//! Extractors for axum. The state of the router is a [`Verifier`], or provides one with `FromRef`.

use axum::{
    extract::{FromRef, FromRequestParts, OptionalFromRequestParts},
    http::{
        StatusCode,
        header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
        request::Parts,
    },
    response::{IntoResponse, Response},
};

use crate::{
    AccessToken, OptionalToken, Requirement, Requires, Verifier, VerifyError,
    extract::bearer_token, problem::CONTENT_TYPE as PROBLEM,
};

impl<S: Send + Sync> FromRequestParts<S> for AccessToken
where
    Verifier: FromRef<S>,
{
    type Rejection = VerifyError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, VerifyError> {
        let headers = parts.headers.get_all(AUTHORIZATION).iter().map(|value| value.as_bytes());
        let token = bearer_token(headers)?;
        Verifier::from_ref(state).verify(token).await.map(Self)
    }
}

/// `None` if the request has no `Authorization` header.
impl<S: Send + Sync> OptionalFromRequestParts<S> for AccessToken
where
    Verifier: FromRef<S>,
{
    type Rejection = VerifyError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, VerifyError> {
        if !parts.headers.contains_key(AUTHORIZATION) {
            return Ok(None);
        }
        <Self as FromRequestParts<S>>::from_request_parts(parts, state).await.map(Some)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for OptionalToken
where
    Verifier: FromRef<S>,
{
    type Rejection = VerifyError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, VerifyError> {
        Option::<AccessToken>::from_request_parts(parts, state).await.map(Self)
    }
}

impl<S: Send + Sync, R: Requirement> FromRequestParts<S> for Requires<R>
where
    Verifier: FromRef<S>,
{
    type Rejection = VerifyError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, VerifyError> {
        let token = <AccessToken as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        Self::check(token)
    }
}

impl IntoResponse for VerifyError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status()).unwrap_or(StatusCode::UNAUTHORIZED);
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let header = match self.challenge() {
            Some(challenge) => (WWW_AUTHENTICATE, challenge),
            None => (RETRY_AFTER, "1".into()),
        };
        (status, [(CONTENT_TYPE, PROBLEM.to_owned()), header], body).into_response()
    }
}
