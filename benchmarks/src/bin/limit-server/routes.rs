//! The handlers. The comment of each one names the work that the operation cannot omit.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    error::{ErrorServiceUnavailable, ErrorUnauthorized},
    http::header::{AUTHORIZATION, COOKIE, SET_COOKIE},
    web::{Data, Form, Json},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use redis::{aio::MultiplexedConnection, cmd};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    state::{ENDED, State, session_key, sha256},
    tokens::{AccessClaims, REFRESH_SECONDS, RefreshClaims, TokenPair, now},
};

#[derive(Deserialize)]
pub struct Credentials {
    username: String,
    password: String,
    #[serde(default)]
    cookie: bool,
}

const COOKIE_NAME: &str = "auth-session";

#[derive(Serialize)]
struct Registered {
    id: String,
    username: String,
}

/// One hash and one row.
pub async fn register(state: Data<State>, body: Json<Credentials>) -> Result<HttpResponse, Error> {
    let Credentials { username, password, .. } = body.into_inner();
    let cost = state.bcrypt_cost;
    let password_hash = state.run_hash(move || bcrypt::hash(password, cost)).await?;
    let id = Uuid::now_v7().to_string();
    state.store.insert_user(id.clone(), username.clone(), password_hash).await?;
    Ok(HttpResponse::Created().json(Registered { id, username }))
}

/// One look-up, one hash, one row, one signature and one MAC.
pub async fn login(state: Data<State>, body: Json<Credentials>) -> Result<HttpResponse, Error> {
    let Credentials { username, password, cookie } = body.into_inner();
    let user = state.store.user(username.clone()).await?;
    let (id, password_hash) = user.ok_or_else(|| ErrorUnauthorized("unknown user"))?;
    if !state.run_hash(move || bcrypt::verify(password, &password_hash)).await? {
        return Err(ErrorUnauthorized("wrong password"));
    }
    let claims = RefreshClaims::new_session(&id, &username);
    state.store.insert_session(claims.sid, id).await?;
    let pair = state.keys.mint_pair(&claims);
    let mut response = HttpResponse::Ok();
    if cookie {
        response.insert_header((SET_COOKIE, format!("{COOKIE_NAME}={}", pair.refresh)));
    }
    Ok(response.json(pair))
}

#[derive(Deserialize)]
pub struct RefreshBody {
    refresh: String,
}

/// Checks one MAC, runs one script in Redis, and makes one signature and one MAC.
pub async fn refresh(
    state: Data<State>,
    redis: Data<MultiplexedConnection>,
    body: Json<RefreshBody>,
) -> Result<Json<TokenPair>, Error> {
    let claims = state.keys.verify_refresh(&body.refresh);
    let claims = claims.ok_or_else(|| ErrorUnauthorized("invalid token"))?;
    let mut rotate = state.rotate.key(session_key(claims.sid));
    rotate.arg(claims.generation).arg(REFRESH_SECONDS);
    let mut redis = redis.as_ref().clone();
    let next: Result<Option<u64>, _> = rotate.invoke_async(&mut redis).await;
    let next = next.map_err(ErrorServiceUnavailable)?;
    let generation = next.ok_or_else(|| ErrorUnauthorized("token already used"))?;
    let iat = now();
    let exp = iat + REFRESH_SECONDS;
    let next = RefreshClaims { generation, iat, exp, jti: Uuid::now_v7(), ..claims };
    Ok(Json(state.keys.mint_pair(&next)))
}

/// Checks one MAC, reads one Redis key for the session's state, and makes one signature.
pub async fn refresh_by_cookie(
    state: Data<State>,
    redis: Data<MultiplexedConnection>,
    request: HttpRequest,
) -> Result<HttpResponse, Error> {
    let cookie = request.headers().get(COOKIE).and_then(|value| value.to_str().ok());
    let value = cookie.and_then(|cookie| cookie.strip_prefix(COOKIE_NAME)?.strip_prefix('='));
    let claims = value.and_then(|value| state.keys.verify_refresh(value));
    let claims = claims.ok_or_else(|| ErrorUnauthorized("invalid cookie"))?;
    state.refuse_ended(claims.sid, &redis).await?;
    let claims = RefreshClaims { iat: now(), ..claims };
    Ok(HttpResponse::Ok().json(AccessToken { access: state.keys.mint_access(&claims) }))
}

#[derive(Serialize)]
struct AccessToken {
    access: String,
}

/// Verifies one token, checks one MAC, changes one row, and writes one Redis key.
pub async fn logout(
    state: Data<State>,
    redis: Data<MultiplexedConnection>,
    request: HttpRequest,
    body: Json<RefreshBody>,
) -> Result<HttpResponse, Error> {
    let caller = state.verify(bearer(&request)?)?;
    let claims = state.keys.verify_refresh(&body.refresh);
    let claims = claims.filter(|claims| claims.sub == caller.sub);
    let sid = claims.ok_or_else(|| ErrorUnauthorized("invalid token"))?.sid;
    state.store.end_session(sid).await?;
    let mut set = cmd("SET");
    set.arg(session_key(sid)).arg(ENDED).arg("EX").arg(REFRESH_SECONDS);
    let mut redis = redis.as_ref().clone();
    set.exec_async(&mut redis).await.map_err(ErrorServiceUnavailable)?;
    Ok(HttpResponse::NoContent().finish())
}

#[derive(Serialize)]
struct WhoAmI<'a> {
    sub: &'a str,
    sid: Uuid,
    scope: &'a str,
    exp: u64,
}

/// Verifies one token: by one signature if the token is new, and otherwise by one cache look-up.
pub async fn whoami(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let AccessClaims { sub, sid, scope, exp, .. } = &*state.verify(bearer(&request)?)?;
    Ok(HttpResponse::Ok().json(WhoAmI { sub, sid: *sid, scope, exp: *exp }))
}

/// Returns a constant answer of the same size as `whoami`, without authentication.
pub async fn open() -> HttpResponse {
    HttpResponse::Ok().json(WhoAmI {
        sub: "0193a5b0-7f3a-7b1c-8d2e-4f5a6b7c8d9e",
        sid: Uuid::nil(),
        scope: "",
        exp: 1_800_000_000,
    })
}

#[derive(Deserialize)]
pub struct TokenBody {
    token: String,
}

/// One look-up in the cache of verified tokens, and one Redis key read for the session's state.
pub async fn verify(
    state: Data<State>,
    redis: Data<MultiplexedConnection>,
    body: Json<TokenBody>,
) -> Result<HttpResponse, Error> {
    state.verify_with_session(&body.token, &redis).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body("{}"))
}

#[derive(Serialize)]
struct ActiveToken<'a> {
    active: bool,
    #[serde(flatten)]
    claims: &'a AccessClaims,
}

/// The work of `/token/verify`, and one hash of the client's secret.
pub async fn introspect(
    state: Data<State>,
    redis: Data<MultiplexedConnection>,
    request: HttpRequest,
    body: Form<TokenBody>,
) -> Result<HttpResponse, Error> {
    let secret = basic_password(&request);
    if secret.as_deref().map(sha256).as_ref() != Some(&state.client_secret_hash) {
        return Err(ErrorUnauthorized("unknown client"));
    }
    let claims = state.verify_with_session(&body.token, &redis).await?;
    Ok(HttpResponse::Ok().json(ActiveToken { active: true, claims: &claims }))
}

/// Returns constant bytes.
pub async fn jwks() -> HttpResponse {
    const KEYS: &str = concat!(
        r#"{"keys":[{"kty":"EC","crv":"P-256","use":"sig","alg":"ES256","#,
        r#""kid":"0123456789012345678901234567890123456789012","#,
        r#""x":"0123456789012345678901234567890123456789012","#,
        r#""y":"0123456789012345678901234567890123456789012"}]}"#,
    );
    HttpResponse::Ok().content_type("application/json").body(KEYS)
}

fn authorization(request: &HttpRequest) -> Option<&str> {
    request.headers().get(AUTHORIZATION)?.to_str().ok()
}

fn bearer(request: &HttpRequest) -> Result<&str, Error> {
    let token = authorization(request).and_then(|value| value.strip_prefix("Bearer "));
    token.ok_or_else(|| ErrorUnauthorized("no token"))
}

/// Returns the password of HTTP Basic authentication (RFC 7617).
fn basic_password(request: &HttpRequest) -> Option<String> {
    let encoded = authorization(request)?.strip_prefix("Basic ")?;
    let credentials = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (_, password) = credentials.split_once(':')?;
    Some(password.to_owned())
}
