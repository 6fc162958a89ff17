//! The limit: a bare actix-web server that does of each operation only what cannot be left out. No validation, no limits,
//! no metrics, no logs, no audit trail. What it does for which route stands at the route.

mod store;
mod tokens;

use std::{net::SocketAddr, sync::Arc};

use actix_web::{
    App, Error, HttpRequest, HttpResponse, HttpServer,
    error::{ErrorInternalServerError, ErrorServiceUnavailable, ErrorUnauthorized},
    http::header::AUTHORIZATION,
    web::{Data, Form, Json, get, post},
};
use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, engine::general_purpose::STANDARD};
use clap::Parser;
use quick_cache::sync::Cache;
use redis::{Script, aio::MultiplexedConnection, cmd};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use uuid::Uuid;

use self::{
    store::Store,
    tokens::{Access, Keys, Pair, REFRESH_SECONDS, Refresh},
};

/// The least that a server can do for what auth-service and resource-service are asked.
#[derive(Parser)]
struct Settings {
    #[arg(long, env = "LIMIT_ADDR", default_value = "127.0.0.1:18180")]
    addr: SocketAddr,
    #[arg(long, env = "DATABASE_URL")]
    database_url: String,
    #[arg(long, env = "REDIS_URL")]
    redis_url: String,
    #[arg(long, env = "BCRYPT_COST", default_value_t = 12)]
    bcrypt_cost: u32,
    #[arg(long, env = "HASH_THREADS", default_value_t = 2)]
    hash_threads: usize,
    #[arg(long, env = "WORKERS", default_value_t = 2)]
    workers: usize,
    /// The secret of the client that introspects
    #[arg(long, env = "CLIENT_SECRET", default_value = "secret")]
    client_secret: String,
}

/// What all workers share.
struct Limit {
    keys: Keys,
    store: Store,
    /// Tokens that were found good.
    seen: Cache<String, Arc<Access>>,
    cost: u32,
    /// As many hashes at once as there are cores: more would only take longer each.
    hashing: Semaphore,
    client_secret: Vec<u8>,
    rotate: Script,
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let settings = Settings::parse();
    let limit = Data::new(Limit {
        keys: Keys::generate(),
        store: Store::open(&settings.database_url)?,
        seen: Cache::new(100_000),
        cost: settings.bcrypt_cost,
        hashing: Semaphore::new(settings.hash_threads),
        client_secret: hash(&settings.client_secret),
        rotate: Script::new(include_str!("rotate.lua")),
    });
    let redis = redis::Client::open(settings.redis_url)?;
    HttpServer::new(move || {
        let redis = redis.clone();
        App::new()
            .app_data(limit.clone())
            // A connection for each worker.
            .data_factory(move || {
                let redis = redis.clone();
                async move { redis.get_multiplexed_async_connection().await }
            })
            .route("/register", post().to(register))
            .route("/login", post().to(login))
            .route("/token/refresh", post().to(refresh))
            .route("/logout", post().to(logout))
            .route("/whoami", get().to(whoami))
            .route("/open", get().to(open))
            .route("/token/verify", post().to(verify))
            .route("/oauth/introspect", post().to(introspect))
            .route("/.well-known/jwks.json", get().to(jwks))
            .route("/healthz", get().to(async || "ok"))
    })
    .workers(settings.workers)
    .bind(settings.addr)?
    .run()
    .await?;
    Ok(())
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[derive(Serialize)]
struct Registered {
    id: String,
    username: String,
}

/// One hash, one row.
async fn register(limit: Data<Limit>, body: Json<Credentials>) -> Result<HttpResponse, Error> {
    let Credentials { username, password } = body.into_inner();
    let cost = limit.cost;
    let password_hash = hashed(&limit, move || bcrypt::hash(password, cost)).await?;
    let id = Uuid::now_v7().to_string();
    limit.store.insert_user(id.clone(), username.clone(), password_hash).await?;
    Ok(HttpResponse::Created().json(Registered { id, username }))
}

/// One look-up, one hash, one row, a signature and a MAC.
async fn login(limit: Data<Limit>, body: Json<Credentials>) -> Result<Json<Pair>, Error> {
    let Credentials { username, password } = body.into_inner();
    let user = limit.store.user(username.clone()).await?;
    let (id, password_hash) = user.ok_or_else(|| ErrorUnauthorized("unknown"))?;
    if !hashed(&limit, move || bcrypt::verify(password, &password_hash)).await? {
        return Err(ErrorUnauthorized("wrong"));
    }
    let first = Refresh::first(&id, &username);
    limit.store.insert_session(first.sid, id).await?;
    Ok(Json(limit.keys.pair(&first)))
}

async fn hashed<T: Send + 'static>(
    limit: &Limit,
    work: impl FnOnce() -> Result<T, bcrypt::BcryptError> + Send + 'static,
) -> Result<T, Error> {
    let _turn = limit.hashing.acquire().await.map_err(ErrorServiceUnavailable)?;
    actix_web::web::block(work).await?.map_err(ErrorInternalServerError)
}

#[derive(Deserialize)]
struct RefreshBody {
    refresh: String,
}

/// One MAC checked, one script in Redis, a signature and a MAC made.
async fn refresh(
    limit: Data<Limit>,
    redis: Data<MultiplexedConnection>,
    body: Json<RefreshBody>,
) -> Result<Json<Pair>, Error> {
    let presented = limit.keys.refresh(&body.refresh).ok_or_else(|| ErrorUnauthorized("not ours"))?;
    let mut call = limit.rotate.key(entry(presented.sid));
    call.arg(presented.generation).arg(REFRESH_SECONDS);
    let mut redis = redis.as_ref().clone();
    let next: Option<u64> = call.invoke_async(&mut redis).await.map_err(ErrorServiceUnavailable)?;
    let generation = next.ok_or_else(|| ErrorUnauthorized("used up"))?;
    let iat = tokens::now();
    let jti = Uuid::now_v7();
    Ok(Json(limit.keys.pair(&Refresh { generation, iat, exp: iat + REFRESH_SECONDS, jti, ..presented })))
}

/// One token verified, one MAC checked, one row changed, one key written.
async fn logout(
    limit: Data<Limit>,
    redis: Data<MultiplexedConnection>,
    request: HttpRequest,
    body: Json<RefreshBody>,
) -> Result<HttpResponse, Error> {
    let caller = limit.verified(bearer(&request)?)?;
    let presented = limit.keys.refresh(&body.refresh).filter(|presented| presented.sub == caller.sub);
    let sid = presented.ok_or_else(|| ErrorUnauthorized("not ours"))?.sid;
    limit.store.end_session(sid).await?;
    let mut set = cmd("SET");
    set.arg(entry(sid)).arg("revoked").arg("EX").arg(REFRESH_SECONDS);
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

/// One signature checked, and kept in mind: a token that is new costs no less.
async fn whoami(limit: Data<Limit>, request: HttpRequest) -> Result<HttpResponse, Error> {
    let Access { sub, sid, scope, exp, .. } = &*limit.verified(bearer(&request)?)?;
    Ok(HttpResponse::Ok().json(WhoAmI { sub, sid: *sid, scope, exp: *exp }))
}

/// The same answer for everybody: the route without authentication.
async fn open() -> HttpResponse {
    let (sub, sid) = ("0193a5b0-7f3a-7b1c-8d2e-4f5a6b7c8d9e", Uuid::nil());
    HttpResponse::Ok().json(WhoAmI { sub, sid, scope: "", exp: 1_800_000_000 })
}

#[derive(Deserialize)]
struct TokenBody {
    token: String,
}

/// One verified-token look-up, one key read: whether the session goes on, Redis knows.
async fn verify(
    limit: Data<Limit>,
    redis: Data<MultiplexedConnection>,
    body: Json<TokenBody>,
) -> Result<HttpResponse, Error> {
    limit.alive(&body.token, &redis).await?;
    Ok(HttpResponse::Ok().content_type("application/json").body("{}"))
}

#[derive(Serialize)]
struct Active<'a> {
    active: bool,
    #[serde(flatten)]
    claims: &'a Access,
}

/// As for `/token/verify`; and one hash of the client's secret.
async fn introspect(
    limit: Data<Limit>,
    redis: Data<MultiplexedConnection>,
    request: HttpRequest,
    body: Form<TokenBody>,
) -> Result<HttpResponse, Error> {
    let authorization = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let basic = authorization.and_then(|value| STANDARD.decode(value.strip_prefix("Basic ")?).ok());
    let basic = basic.and_then(|basic| String::from_utf8(basic).ok());
    let secret = basic.as_deref().and_then(|basic| basic.split_once(':')).map(|(_, secret)| secret);
    if secret.map(hash).as_ref() != Some(&limit.client_secret) {
        return Err(ErrorUnauthorized("not a client"));
    }
    let claims = limit.alive(&body.token, &redis).await?;
    Ok(HttpResponse::Ok().json(Active { active: true, claims: &claims }))
}

/// Bytes that are there already.
async fn jwks() -> HttpResponse {
    const KEYS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","use":"sig","alg":"EdDSA","kid":"0123456789012345678901234567890123456789012","x":"0123456789012345678901234567890123456789012"}]}"#;
    HttpResponse::Ok().content_type("application/json").body(KEYS)
}

impl Limit {
    fn verified(&self, token: &str) -> Result<Arc<Access>, Error> {
        if let Some(claims) = self.seen.get(token)
            && claims.exp > tokens::now()
        {
            return Ok(claims);
        }
        let claims = self.keys.access(token).ok_or_else(|| ErrorUnauthorized("not ours"))?;
        let claims = Arc::new(claims);
        self.seen.insert(token.to_owned(), Arc::clone(&claims));
        Ok(claims)
    }

    async fn alive(&self, token: &str, redis: &MultiplexedConnection) -> Result<Arc<Access>, Error> {
        let claims = self.verified(token)?;
        let mut get = cmd("GET");
        get.arg(entry(claims.sid));
        let mut redis = redis.clone();
        let entry: Option<String> = get.query_async(&mut redis).await.map_err(ErrorServiceUnavailable)?;
        if entry.as_deref() == Some("revoked") { Err(ErrorUnauthorized("ended")) } else { Ok(claims) }
    }
}

fn bearer(request: &HttpRequest) -> Result<&str, Error> {
    let value = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(|| ErrorUnauthorized("no token"))
}

fn entry(sid: Uuid) -> String {
    format!("limit:{sid}")
}

fn hash(secret: &str) -> Vec<u8> {
    digest(&SHA256, secret.as_bytes()).as_ref().to_vec()
}
