//! `POST /register`: a new user.

use actix_web::{HttpResponse, web::Data};
use serde::Serialize;
use service_kit::openapi::{BadBody, Unavailable};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    app::App,
    credentials::password_hash::PasswordHash,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        email::Email,
        password::Password,
        session::Origin,
        username::Username,
    },
    http::{
        error::ApiError,
        form::{Form, FromForm, Valid},
    },
    store::users::{self, InsertOutcome, Taken},
};

#[derive(Clone, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterRequest {
    #[schema(value_type = String, format = Email, max_length = 254, example = "ada@example.com")]
    email: Email,
    /// Letters, digits and `_.-`. Unique without regard to case.
    #[schema(value_type = String, min_length = 3, max_length = 150, example = "ada")]
    username: Username,
    /// At most 1024 bytes, not a common one, and not the username or email.
    #[schema(value_type = String, format = Password, min_length = 8, max_length = 1024, example = "correct horse battery")]
    password: Password,
}

impl FromForm for RegisterRequest {
    fn from_form(form: &mut Form) -> Option<Self> {
        let email = form.text("email", |text| Email::parse(&text));
        let username = form.text("username", |text| Username::parse(&text));
        let password = form.text("password", Password::chosen);
        if let Some(password) = &password {
            if username.as_ref().is_some_and(|username| password.is(username.as_str())) {
                form.wrong("password", "The password is the same as the username.");
            }
            if email.as_ref().is_some_and(|email| password.is(email.as_str())) {
                form.wrong("password", "The password is the same as the email.");
            }
        }
        Some(Self { email: email?, username: username?, password: password? })
    }
}

#[derive(Serialize, ToSchema)]
struct Registered<'a> {
    /// What tokens call this user: `sub`.
    id: Uuid,
    email: &'a str,
    username: &'a str,
}

/// Register a new user.
#[utoipa::path(
    post,
    path = "/register",
    tag = "people",
    request_body = RegisterRequest,
    responses((status = 201, description = "Registered.", body = Registered), BadBody, Unavailable)
)]
pub async fn register(
    app: Data<App>,
    origin: Origin,
    Valid(request): Valid<RegisterRequest>,
) -> Result<HttpResponse, ApiError> {
    let RegisterRequest { email, username, password } = request;
    let place = app.hash_pool.place().await?;
    // Asked before hashing, which is the costly part; the insert decides.
    let (name, address) = (username.clone(), email.clone());
    refuse_taken(app.store.run(move |connection| users::taken(connection, &name, &address)).await?)?;

    let hash = app.hash_pool.run(place, PasswordHash::make(&password, app.bcrypt_cost)).await?;
    let (id, now) = (Uuid::now_v7(), app.clock.now_ms());
    let (name, address) = (username.clone(), email.clone());
    let record = AuditRecord::new(AuditEvent::Registration, Initiator::user(origin), now).user(id);
    let insert = move |connection: &mut _| {
        let inserted = users::insert(connection, id, &name, &address, &hash, now)?;
        Ok((inserted, (inserted == InsertOutcome::Inserted).then_some(record)))
    };
    if let InsertOutcome::Taken(taken) = app.store.audited(insert).await? {
        refuse_taken(taken)?;
        // Taken a moment ago, and free now: whoever had it is gone again.
        return Err(ApiError::Unavailable);
    }
    Ok(HttpResponse::Created().json(Registered { id, email: email.as_str(), username: username.as_str() }))
}

fn refuse_taken(taken: Taken) -> Result<(), ApiError> {
    let mut form = Form::default();
    if taken.username {
        form.wrong("username", "A user with that username already exists.");
    }
    if taken.email {
        form.wrong("email", "A user with that email already exists.");
    }
    form.finish()
}
