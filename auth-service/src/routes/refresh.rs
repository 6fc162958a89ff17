//! `POST /token/refresh`: trade a refresh token for a new pair (RFC 6749 section 6, RFC 9700 section 4.14).

use actix_web::web::{Data, Json};
use shared::{
    claims::Scope,
    service::openapi::{BadBody, Unauthorized, Unavailable},
};
use utoipa::ToSchema;

use crate::{
    domain::{
        generation::{Advance, Claims},
        session::Origin,
    },
    error::ApiError,
    form::{Form, FromForm, Valid, not_blank},
    state::State,
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
    state: Data<State>,
    origin: Origin,
    request: Valid<RefreshRequest>,
) -> Result<Json<TokenPair>, ApiError> {
    let (tokens, _) =
        trade(&state, request.token(), &origin, |session| Ok::<_, ApiError>(session.clone())).await?;
    Ok(Json(tokens))
}

/// Trades a refresh token for a new pair. `narrow` says how much of the session's scope the access token is to grant; if
/// it refuses, nothing has happened. Says what the access token grants.
pub async fn trade<E: From<ApiError>>(
    state: &State,
    token: &str,
    origin: &Origin,
    narrow: impl Fn(&Scope) -> Result<Scope, E>,
) -> Result<(TokenPair, Scope), E> {
    let refused = |why: RefreshError| E::from(why.into());
    let presented = state.tokens.read_refresh(token).map_err(refused)?;
    let minter = state.tokens.minter()?;
    let mut session = presented.session();
    let mut scope = narrow(&session.scope)?;
    let expiry = state.tokens.refresh_expiry(&session);
    let advance = async |claims| {
        state.sessions.advance(&presented, claims, expiry, origin).await.map_err(|why| E::from(why.into()))
    };
    let mut decision = advance(Claims::Presented).await?;
    if decision == Advance::StaleClaims {
        let id = session.sub.clone();
        let user = state.store.run(move |connection| users::find(connection, &id)).await;
        let user = user.map_err(|why| E::from(why.into()))?;
        session = session.with_claims_of(user.ok_or_else(|| refused(RefreshError::Revoked))?);
        scope = narrow(&session.scope)?;
        decision = advance(Claims::Database).await?;
    }
    match decision {
        Advance::Rotated(next) | Advance::RetriedInGrace(next) => {
            Ok((minter.pair(&session, scope.clone(), next, expiry), scope))
        }
        Advance::Expired => Err(refused(RefreshError::Expired)),
        Advance::Reused | Advance::Revoked | Advance::StaleClaims => Err(refused(RefreshError::Revoked)),
    }
}
