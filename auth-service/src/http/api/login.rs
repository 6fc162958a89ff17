//! `POST /login`: a new session, and its first tokens.

use actix_web::web::{Data, Json};
use serde::Serialize;
use service_kit::openapi::{BadBody, Unauthorized, Unavailable};
use shared::claims::SessionId;
use utoipa::ToSchema;

use crate::{
    app::App,
    credentials::{hash_job::HashJob, hash_pool::QueuePermit, password_hash::PasswordHash},
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        password::Password,
        session::Origin,
    },
    http::{
        error::ApiError,
        form::{Form, FromForm, Valid, not_blank},
    },
    metrics::Login as Outcome,
    sessions::FIRST,
    store::users::{self, LoginKey, User},
    tokens::{Session, TokenPair},
};

pub struct LoginRequest {
    /// `None` for what can be nobody's name.
    key: Option<LoginKey>,
    password: Password,
}

/// A `username` or an `email`, and the `password`.
#[derive(ToSchema)]
#[schema(
    as = LoginRequest,
    example = json!({"username": "ada", "password": "correct horse battery"}),
)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "says what the form takes")]
struct Fields {
    #[schema(nullable = false, min_length = 1, example = "ada")]
    username: Option<String>,
    #[schema(nullable = false, min_length = 1)]
    email: Option<String>,
    #[schema(format = Password, min_length = 1, example = "correct horse battery")]
    password: String,
}

impl FromForm for LoginRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let name = if form.has("email") && form.has("username") {
            form.wrong("email", "Give a username or an email, not both.");
            form.text("email", not_blank).and(form.text("username", not_blank))
        } else {
            let field = if form.has("email") { "email" } else { "username" };
            form.text(field, not_blank)
        };
        let password = form.text("password", Password::presented);
        Some(Self { key: LoginKey::parse(&name?), password: password? })
    }
}

#[derive(Serialize, ToSchema)]
pub struct LoggedIn {
    username: String,
    email: String,
    tokens: TokenPair,
}

/// Log in: a new session, and its first tokens.
#[utoipa::path(
    post,
    path = "/login",
    tag = "people",
    request_body = Fields,
    responses(
        (status = 200, description = "Logged in.", body = LoggedIn),
        BadBody, Unauthorized, Unavailable,
    )
)]
pub async fn login(
    app: Data<App>,
    origin: Origin,
    Valid(request): Valid<LoginRequest>,
) -> Result<Json<LoggedIn>, ApiError> {
    let answer = log_in(&app, origin, request).await;
    app.metrics.login(match &answer {
        Ok(_) => Outcome::Succeeded,
        Err(ApiError::WrongCredentials) => Outcome::Refused,
        Err(ApiError::HashPoolBusy) => Outcome::HashPoolBusy,
        Err(_) => Outcome::Unavailable,
    });
    answer.map(Json)
}

/// How often a user is looked at who has changed by the time when the session is to begin.
const TRIES: usize = 4;

async fn log_in(
    app: &App,
    origin: Origin,
    LoginRequest { key, password }: LoginRequest,
) -> Result<LoggedIn, ApiError> {
    let minter = app.tokens.minter()?;
    let mut place = Some(app.hash_pool.place().await?);
    let (mut shown, mut known) = (None, None);
    for _ in 0..TRIES {
        let user = match key.clone() {
            Some(key) => app.store.run(move |connection| users::find_by_login(connection, &key)).await?,
            None => None,
        };
        known = user.as_ref().map(|user| user.id).or(known);
        let checked = match user {
            // Something else has changed: scopes or roles.
            Some(user) if user.disabled_at_ms.is_none() && shown.as_ref() == Some(&user.password_hash) => {
                Ok(user)
            }
            // This is the first look, or another login has replaced an old hash, or the password is another.
            user => {
                let place = match place.take() {
                    Some(place) => place,
                    None => app.hash_pool.place().await?,
                };
                check_password(app, place, user, password.clone()).await?
            }
        };
        let user = match checked {
            Ok(user) => user,
            Err(why) => {
                let record =
                    AuditRecord::new(AuditEvent::LoginFailed, Initiator::anyone(origin), app.clock.now_ms());
                let record = known.iter().fold(record, |record, id| record.user(id));
                app.store.remember(record.detail(why)).await;
                return Err(ApiError::WrongCredentials);
            }
        };
        let (sid, now) = (SessionId::generate(), app.clock.now_secs());
        let session = Session::of(&user, sid, now, app.tokens.session_end());
        let (username, email) = (user.username.clone(), user.email.clone());
        shown = Some(user.password_hash.clone());
        if app.sessions.begin(&session, user, origin.clone()).await? {
            let expiry = app.tokens.refresh_expiry(&session);
            let tokens = minter.pair(&session, session.scope.clone(), FIRST, expiry);
            return Ok(LoggedIn { username, email, tokens });
        }
    }
    Err(ApiError::Unavailable)
}

/// The user, if the password is theirs, or why not. One hash is computed whether there is such a user or not.
async fn check_password(
    app: &App,
    place: QueuePermit,
    user: Option<User>,
    password: Password,
) -> Result<Result<User, &'static str>, ApiError> {
    let cost = app.bcrypt_cost;
    let stored =
        user.as_ref().map_or_else(|| PasswordHash::dummy_hash(cost), |user| user.password_hash.clone());
    let old = stored.clone();
    let check = stored.matches_at_cost(&password, cost).then(move |matches| match matches {
        true if !stored.is_current(cost) => {
            PasswordHash::make(&password, cost).map(|newer| (true, Some(newer)))
        }
        _ => HashJob::Done((matches, None)),
    });
    let (matches, newer) = app.hash_pool.run(place, check).await?;
    let mut user = match user {
        None => return Ok(Err("no such user")),
        Some(_) if !matches => return Ok(Err("wrong password")),
        Some(user) if user.disabled_at_ms.is_some() => return Ok(Err("the user is disabled")),
        Some(user) => user,
    };
    if let Some(newer) = newer {
        let (id, new) = (user.id.to_string(), newer.clone());
        let replace = move |connection: &mut _| users::replace_hash(connection, &id, &old, &new);
        app.store.run(replace).await?;
        user.password_hash = newer;
    }
    Ok(Ok(user))
}
