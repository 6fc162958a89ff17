//! `POST /token/refresh`: trade a refresh token for a new pair (RFC 6749 section 6, RFC 9700 section 4.14).

use actix_web::web::{Data, Json};
use service_kit::openapi::{BadBody, Unauthorized, Unavailable};
use shared::claims::Scope;
use utoipa::ToSchema;

use crate::{
    app::App,
    domain::{
        generation::{ClaimsSource, RefreshDecision},
        session::Origin,
    },
    http::{
        error::ApiError,
        form::{Form, FromForm, Valid, not_blank},
    },
    metrics::Refresh as Outcome,
    store::users,
    tokens::{RefreshError, TokenPair},
};

#[derive(ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RefreshRequest {
    /// A refresh token.
    #[schema(min_length = 1)]
    refresh: String,
}

impl RefreshRequest {
    /// The token presented.
    pub fn token(&self) -> &str {
        &self.refresh
    }
}

impl FromForm for RefreshRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        form.text("refresh", not_blank).map(|refresh| Self { refresh })
    }
}

/// Trade a refresh token for a new pair.
///
/// The one presented is used up. Within the grace period it gets the same answer again, so that a lost answer logs nobody
/// out; presented later, it ends the session.
#[utoipa::path(
    post,
    path = "/token/refresh",
    tag = "people",
    request_body = RefreshRequest,
    responses(
        (status = 200, description = "New tokens.", body = TokenPair),
        BadBody, Unauthorized, Unavailable,
    )
)]
pub async fn refresh(
    app: Data<App>,
    origin: Origin,
    request: Valid<RefreshRequest>,
) -> Result<Json<TokenPair>, ApiError> {
    let (tokens, _) =
        trade(&app, request.token(), &origin, |session| Ok::<_, ApiError>(session.clone())).await?;
    Ok(Json(tokens))
}

/// Trades a refresh token for a new pair, and counts what became of it. `narrow` says how much of the session's scope the
/// access token is to grant; if it refuses, nothing has happened. Says what the access token grants.
pub async fn trade<E: From<ApiError>>(
    app: &App,
    token: &str,
    origin: &Origin,
    narrow: impl Fn(&Scope) -> Result<Scope, E>,
) -> Result<(TokenPair, Scope), E> {
    let traded = decide(app, token, origin, narrow).await;
    match &traded {
        Ok((_, _, outcome)) | Err(Refusal::Token(_, outcome)) => app.metrics.refresh(*outcome),
        Err(Refusal::Unavailable(_)) => app.metrics.refresh(Outcome::Unavailable),
        Err(Refusal::Scope(_)) => {}
    }
    match traded {
        Ok((tokens, scope, _)) => Ok((tokens, scope)),
        Err(Refusal::Token(why, _)) => Err(ApiError::from(why).into()),
        Err(Refusal::Unavailable(why)) => Err(why.into()),
        Err(Refusal::Scope(why)) => Err(why),
    }
}

/// Why there are no new tokens.
enum Refusal<E> {
    Token(RefreshError, Outcome),
    Scope(E),
    Unavailable(ApiError),
}

impl<E> Refusal<E> {
    fn unavailable(why: impl Into<ApiError>) -> Self {
        Self::Unavailable(why.into())
    }
}

async fn decide<E>(
    app: &App,
    token: &str,
    origin: &Origin,
    narrow: impl Fn(&Scope) -> Result<Scope, E>,
) -> Result<(TokenPair, Scope, Outcome), Refusal<E>> {
    let presented = app.tokens.read_refresh(token).map_err(|why| match why {
        RefreshError::Expired => Refusal::Token(why, Outcome::Expired),
        why => Refusal::Token(why, Outcome::Unknown),
    })?;
    let minter = app.tokens.minter().map_err(Refusal::unavailable)?;
    let mut session = presented.session();
    let mut scope = narrow(&session.scope).map_err(Refusal::Scope)?;
    let expiry = app.tokens.refresh_expiry(&session);
    let advance = async |claims| {
        app.sessions.advance(&presented, claims, expiry, origin).await.map_err(Refusal::unavailable)
    };
    let mut decision = advance(ClaimsSource::Token).await?;
    if decision == RefreshDecision::StaleClaims {
        let id = session.sub.clone();
        let user = app.store.run(move |connection| users::find(connection, &id)).await;
        let gone = || Refusal::Token(RefreshError::Revoked, Outcome::Unknown);
        session = session.with_claims_of(&user.map_err(Refusal::unavailable)?.ok_or_else(gone)?);
        scope = narrow(&session.scope).map_err(Refusal::Scope)?;
        decision = advance(ClaimsSource::Database).await?;
    }
    let outcome = decision.into();
    match decision {
        RefreshDecision::Rotated(next) | RefreshDecision::RetriedInGrace(next) => {
            Ok((minter.pair(&session, scope.clone(), next, expiry), scope, outcome))
        }
        RefreshDecision::Expired => Err(Refusal::Token(RefreshError::Expired, outcome)),
        RefreshDecision::Reused | RefreshDecision::Revoked | RefreshDecision::StaleClaims => {
            Err(Refusal::Token(RefreshError::Revoked, outcome))
        }
    }
}
