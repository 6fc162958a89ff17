//! The caller of a request, authenticated by an access token or by the cookie of a session that has
//! not ended.

use std::sync::Arc;

use actix_web::{FromRequest, HttpMessage, HttpRequest, dev::Payload, web::Data};
use futures_util::future::LocalBoxFuture;
use shared::{AccessToken, VerifyError, claims::AccessClaims};

use super::session_cookie::{MaybeCookie, PresentedCookie};
use crate::{
    app::App,
    domain::session::Origin,
    http::{cookies, error::ApiError},
    tokens::Credential,
};

/// The verified access token of the caller. Its session may have ended.
pub struct Bearer(pub AccessToken);

impl FromRequest for Bearer {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let token = AccessToken::from_request(request, payload);
        Box::pin(async move { token.await.map(Self).map_err(in_our_dialect) })
    }
}

/// Returns the error with the answer of [`ApiError::AccessToken`], which has more members than the
/// verifier's own answer.
fn in_our_dialect(error: actix_web::Error) -> actix_web::Error {
    match error.as_error::<VerifyError>() {
        Some(why) => ApiError::AccessToken(*why).into(),
        None => error,
    }
}

/// The claims of the caller, a user or a client.
pub struct Caller(pub Arc<AccessClaims>);

impl FromRequest for Caller {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let Some(app) = request.app_data::<Data<App>>().cloned() else {
            return Box::pin(async { Err(ApiError::Internal.into()) });
        };
        if let MaybeCookie(Some(cookie)) = MaybeCookie::of(request, &app) {
            let request = request.clone();
            return Box::pin(async move { Ok(by_cookie(&request, &app, &cookie).await?) });
        }
        let token = Bearer::from_request(request, payload);
        Box::pin(async move {
            let Bearer(AccessToken(claims)) = token.await?;
            app.sessions.refuse_ended(&claims).await.map_err(ApiError::AccessToken)?;
            Ok(Self(claims))
        })
    }
}

/// Authenticates the caller by the cookie of a session. Sets the cookie that takes its place, if it
/// is due to be renewed.
async fn by_cookie(
    request: &HttpRequest,
    app: &App,
    cookie: &PresentedCookie,
) -> Result<Caller, ApiError> {
    let origin = Origin::extract(request).await?;
    let used = app.sessions.claims_of_cookie(cookie.value()?, &origin).await;
    let (claims, renewed) = used.map_err(ApiError::of_cookie)?;
    if let Some(renewed) = renewed {
        cookies::set(request, app, &renewed, None);
    }
    let claims = Arc::new(claims);
    // The log line of the request names the user.
    request.extensions_mut().insert(AccessToken(Arc::clone(&claims)));
    Ok(Caller(claims))
}

/// Returns the claims of the user whose session the browser keeps in a cookie, for pages: a browser
/// may send an `Authorization` header for a proxy. `None` without a cookie of a session that is for
/// the user's account.
///
/// # Errors
/// If the stores do not answer.
pub async fn user_of_cookie(
    request: &HttpRequest,
    app: &App,
) -> Result<Option<Arc<AccessClaims>>, ApiError> {
    let Some(cookie) = PresentedCookie::of(request, app) else { return Ok(None) };
    match by_cookie(request, app, &cookie).await {
        Ok(Caller(claims)) if claims.aud.contains(app.verifier.issuer()) => Ok(Some(claims)),
        Ok(_) | Err(ApiError::SessionEnded | ApiError::ForeignOrigin) => Ok(None),
        Err(why) => Err(why),
    }
}

/// The claims of the caller, a user whose token is for the user's account: its audience includes the
/// issuer. A service that gets a token without this audience cannot change the account.
pub struct CurrentUser(pub Arc<AccessClaims>);

impl FromRequest for CurrentUser {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        let app = request.app_data::<Data<App>>().cloned();
        Box::pin(async move {
            let Caller(claims) = caller.await?;
            if claims.is_client_token() {
                return Err(ApiError::NotAUser.into());
            }
            match app {
                Some(app) if claims.aud.contains(app.verifier.issuer()) => Ok(Self(claims)),
                Some(_) => Err(ApiError::AccessToken(VerifyError::Audience).into()),
                None => Err(ApiError::Internal.into()),
            }
        })
    }
}

/// The claims of the caller if the request has an access token or the cookie of a session. A request
/// with a bad token is refused. A bad cookie counts as none: browsers send it unasked.
pub struct MaybeUser {
    pub claims: Option<Arc<AccessClaims>>,
    pub credential: Credential,
}

impl FromRequest for MaybeUser {
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let credential = Credential::extract(request);
        let user = CurrentUser::from_request(request, payload);
        Box::pin(async move {
            let credential = credential.await.unwrap_or_else(|never| match never {});
            let claims = match (user.await, credential) {
                (Ok(CurrentUser(claims)), _) => Some(claims),
                (Err(why), Credential::Cookie) if !is_server_error(&why) => None,
                (Err(why), _) => return Err(why),
            };
            Ok(Self { claims, credential })
        })
    }
}

fn is_server_error(why: &actix_web::Error) -> bool {
    why.as_response_error().status_code().is_server_error()
}
