//! `GET /admin/users` and `POST /admin/users`: lists and creates users.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Data, Json},
};
use serde::Serialize;
use service_kit::openapi::{BadBody, Forbidden, Unauthorized, Unavailable};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    names::granted_names,
    query::{self, Query},
    responses::BadQuery,
    user_body::UserBody,
};
use crate::{
    accounts::{Created, NewAccount, NewPassword, UserFilter},
    app::App,
    domain::{email::Email, scope, time::parse_since, username::Username},
    http::{
        error::ApiError,
        extract::{AdminForm, Administrator, Effect},
        form::{Form, FromForm},
    },
};

/// A page of users, in the order of their creation.
#[derive(Serialize, ToSchema)]
pub struct AdminUsers {
    users: Vec<UserBody>,
    /// `after` for the next page. `null`: this is the last page.
    next: Option<String>,
}

/// The filters and the page that a query names.
struct UserQuery {
    filter: UserFilter,
    after: Option<Uuid>,
    limit: usize,
}

const PARAMETERS: [&str; 8] =
    ["name", "role", "scope", "disabled", "verified", "since", "after", "limit"];

impl UserQuery {
    fn read(request: &HttpRequest, now_ms: i64) -> Result<Self, ApiError> {
        let mut query = Query::read(request, &PARAMETERS);
        let filter = UserFilter {
            name: None,
            start: query.text("name"),
            role: query.parsed("role", scope::parse_name),
            scope: query.parsed("scope", scope::parse_name),
            is_disabled: query.flag("disabled"),
            is_verified: query.flag("verified"),
            since_ms: query.parsed("since", |text| parse_since(text, now_ms)),
        };
        let after = query.after(|text| text.parse().ok());
        let limit = query.limit();
        query.finish()?;
        Ok(Self { filter, after, limit })
    }
}

/// List users.
///
/// In the order of their creation, a page at a time. The roles `admin` and `support` may read. The
/// audit trail records the call.
#[utoipa::path(
    get,
    path = "/admin/users",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(
        ("name" = Option<String>, Query, description = "Start of the username or of the email \
            address, without regard to case."),
        ("role" = Option<String>, Query, description = "A role of the users."),
        ("scope" = Option<String>, Query, description = "A scope of the users."),
        ("disabled" = Option<bool>, Query, description = "Whether the users are disabled."),
        ("verified" = Option<bool>, Query, description = "Whether the users have verified the email \
            address."),
        ("since" = Option<String>, Query, description = "Earliest creation: a time such as \
            `2026-11-24T08:00:00Z`, or a duration such as `24h` or `7d`."),
        ("after" = Option<Uuid>, Query, description = "`next` of the page before."),
        ("limit" = Option<u16>, Query, description = "Maximum number of users: 1 to 200.",
            minimum = 1, maximum = 200),
    ),
    responses(
        (status = 200, description = "A page of users.", body = AdminUsers),
        BadQuery, Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn list_users(
    admin: Administrator,
    request: HttpRequest,
) -> Result<Json<AdminUsers>, ApiError> {
    let UserQuery { filter, after, limit } = UserQuery::read(&request, admin.app.clock.now_ms())?;
    let use_cases = admin.users();
    // One more, to learn whether there is another page.
    let mut users = use_cases.list(filter, after, limit as i64 + 1).await?;
    let next = query::cut(&mut users, limit, |last| last.id.to_string());
    let details = use_cases.details(users).await?;
    Ok(Json(AdminUsers { users: details.iter().map(UserBody::from).collect(), next }))
}

/// The user to create.
#[derive(ToSchema)]
#[schema(as = AdminNewUser, example = json!({"username": "grace", "email": "grace@example.com"}))]
#[expect(dead_code, reason = "describes the fields of the form")]
struct NewUserFields {
    /// As at the registration.
    #[schema(min_length = 3, max_length = 150)]
    username: String,
    /// As at the registration.
    #[schema(format = Email, max_length = 254)]
    email: String,
    /// Scopes of the user.
    #[schema(required = false)]
    scopes: Vec<String>,
    /// Roles of the user.
    #[schema(required = false)]
    roles: Vec<String>,
    /// Whether the administrator knows that the user reads the mail of the address.
    #[schema(required = false)]
    verified: bool,
    /// Whether the name may be one that no visitor may register.
    #[schema(required = false)]
    allow_reserved: bool,
}

/// The user to create, as the form has it.
pub struct NewUserForm {
    username: Username,
    email: Email,
    scopes: Vec<String>,
    roles: Vec<String>,
    is_verified: bool,
    allow_reserved: bool,
}

impl FromForm for NewUserForm {
    fn from_form(form: &mut Form) -> Option<Self> {
        let username = form.trimmed("username", |text| Username::parse(&text));
        let email = form.trimmed("email", |text| Email::parse_new(&text));
        let scopes = granted_names(form, "scopes");
        let roles = granted_names(form, "roles");
        let verified = form.flag("verified");
        let allow_reserved = form.flag("allow_reserved");
        Some(Self {
            username: username?,
            email: email?,
            scopes: scopes?,
            roles: roles?,
            is_verified: verified?,
            allow_reserved: allow_reserved?,
        })
    }
}

/// A user who was just created.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminCreatedUser)]
pub struct CreatedUser {
    user: UserBody,
    /// One-time code with which the user sets a password at `POST /password/reset/confirm`. It is
    /// not shown again.
    code: String,
}

/// Create a user.
///
/// The user sets a password with the code of the answer. Only for the role `admin`.
#[utoipa::path(
    post,
    path = "/admin/users",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    request_body = NewUserFields,
    responses(
        (status = 201, description = "The user exists.", body = CreatedUser),
        BadBody, Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn create_user(
    app: Data<App>,
    AdminForm(admin, form): AdminForm<NewUserForm>,
) -> Result<HttpResponse, ApiError> {
    let account = NewAccount {
        username: form.username,
        email: form.email,
        password: NewPassword::Code(app.accounts.codes.clone()),
        scopes: form.scopes,
        roles: form.roles,
        allow_reserved: form.allow_reserved,
        is_verified: form.is_verified,
    };
    let create = async {
        let use_cases = admin.users();
        let Created { user, code } = use_cases.create(account, &app.accounts.rules).await?;
        let details = use_cases.details_of(user).await?;
        let code = code.ok_or(ApiError::Internal)?.reveal();
        Ok(Effect::Changed(CreatedUser { user: UserBody::from(&details), code }))
    };
    Ok(HttpResponse::Created().json(admin.make(create).await?))
}
