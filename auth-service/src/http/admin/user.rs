//! `GET`, `PATCH` and `DELETE /admin/users/{id}`: shows, changes and deletes a user.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{ETAG, EntityTag},
    web::Path,
};
use service_kit::openapi::{BadBody, Forbidden, Unauthorized, Unavailable};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    etag::{self, Precondition},
    names::granted_names,
    responses::{NotFound, OwnAccount, PreconditionFailed},
    user_body::UserBody,
};
use crate::{
    accounts::{ClaimsChange, User, UserAdmin, UserChange, UserDetails},
    http::{
        error::ApiError,
        extract::{AdminForm, Administrator, Effect},
        form::{Form, FromForm},
    },
};

/// Returns the user whom a path names.
pub async fn find(use_cases: &UserAdmin, id: &str) -> Result<User, ApiError> {
    let unknown = ApiError::NotFound("There is no user with this id.");
    let id: Uuid = id.parse().map_err(|_| unknown)?;
    Ok(use_cases.find_id(id).await?)
}

/// A user, as the body and the tag of an answer.
struct Representation {
    user: User,
    body: Vec<u8>,
    tag: EntityTag,
}

impl Representation {
    fn new(details: UserDetails) -> Result<Self, ApiError> {
        let body = serde_json::to_vec(&UserBody::from(&details)).map_err(|_| ApiError::Internal)?;
        let tag = etag::of(details.user.revision, &body);
        Ok(Self { user: details.user, body, tag })
    }

    async fn find(use_cases: &UserAdmin, id: &str) -> Result<Self, ApiError> {
        let user = find(use_cases, id).await?;
        Self::new(use_cases.details_of(user).await?)
    }

    fn answer(self) -> HttpResponse {
        HttpResponse::Ok()
            .insert_header((ETAG, self.tag))
            .content_type("application/json")
            .body(self.body)
    }
}

/// Get a user.
///
/// The roles `admin` and `support` may read. The audit trail records the call.
#[utoipa::path(
    get,
    path = "/admin/users/{id}",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(
        ("id" = Uuid, Path, description = "Id of the user."),
        ("If-None-Match" = Option<String>, Header, description = "`ETag` of an earlier answer."),
    ),
    responses(
        (status = 200, description = "The user.", body = UserBody, headers(("ETag" = String))),
        (status = 304, description = "The user has not changed since the earlier answer.",
            headers(("ETag" = String))),
        Unauthorized, Forbidden, NotFound, Unavailable,
    )
)]
pub async fn show_user(
    admin: Administrator,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let user = Representation::find(&admin.users(), &id).await?;
    if etag::is_known(&request, &user.tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, user.tag)).finish());
    }
    Ok(user.answer())
}

/// What to change. A missing field stays as it is.
#[derive(ToSchema)]
#[schema(as = AdminUserChange, example = json!({"disabled": true, "revoke_roles": ["editor"]}))]
#[expect(dead_code, reason = "describes the fields of the form")]
struct ChangeFields {
    /// Whether the user may not log in. To disable a user ends all sessions.
    #[schema(nullable = false)]
    disabled: Option<bool>,
    #[schema(nullable = false, min_items = 1)]
    grant_roles: Option<Vec<String>>,
    #[schema(nullable = false, min_items = 1)]
    revoke_roles: Option<Vec<String>>,
    #[schema(nullable = false, min_items = 1)]
    grant_scopes: Option<Vec<String>>,
    #[schema(nullable = false, min_items = 1)]
    revoke_scopes: Option<Vec<String>>,
}

impl FromForm for UserChange {
    fn from_form(form: &mut Form) -> Option<Self> {
        let disabled = match form.has("disabled") {
            true => form.flag("disabled").map(Some),
            false => Some(None),
        };
        let grant_roles = granted_names(form, "grant_roles");
        let revoke_roles = granted_names(form, "revoke_roles");
        let grant_scopes = granted_names(form, "grant_scopes");
        let revoke_scopes = granted_names(form, "revoke_scopes");
        refuse_both(form, "revoke_roles", &grant_roles, &revoke_roles);
        refuse_both(form, "revoke_scopes", &grant_scopes, &revoke_scopes);
        Some(Self {
            disabled: disabled?,
            grant: ClaimsChange { scopes: grant_scopes?, roles: grant_roles? },
            revoke: ClaimsChange { scopes: revoke_scopes?, roles: revoke_roles? },
        })
    }
}

/// Refuses a name that is granted and revoked at once.
fn refuse_both(
    form: &mut Form,
    field: &str,
    granted: &Option<Vec<String>>,
    revoked: &Option<Vec<String>>,
) {
    let granted = granted.iter().flatten();
    if granted.into_iter().any(|name| revoked.iter().flatten().any(|other| other == name)) {
        form.add_error(field, "A name cannot be granted and revoked at once.");
    }
}

/// Change a user.
///
/// Disables or enables the user, and grants and revokes roles and scopes, all or nothing. Tokens
/// carry roles and scopes from their next refresh on. With `If-Match`, the change takes place only
/// if the user is as the caller read it. Only for the role `admin`. Administrators cannot disable
/// themselves, nor revoke their own role `admin`.
#[utoipa::path(
    patch,
    path = "/admin/users/{id}",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(
        ("id" = Uuid, Path, description = "Id of the user."),
        ("If-Match" = Option<String>, Header, description = "`ETag` of the user."),
    ),
    request_body = Option<ChangeFields>,
    responses(
        (status = 200, description = "The user, after the change.", body = UserBody,
            headers(("ETag" = String))),
        BadBody, Unauthorized, Forbidden, NotFound, OwnAccount, PreconditionFailed, Unavailable,
    )
)]
pub async fn change_user(
    AdminForm(admin, change): AdminForm<UserChange>,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let use_cases = admin.users();
    let work = async {
        let Representation { user, tag, .. } = Representation::find(&use_cases, &id).await?;
        let expected = Precondition::of(&request, &tag)?.expected(user.revision);
        let changed = use_cases.change(&user, &change, expected).await?;
        Ok(Effect::of(changed.user, changed.is_changed))
    };
    let user = admin.make(work).await?;
    Ok(Representation::new(use_cases.details_of(user).await?)?.answer())
}

/// Delete a user.
///
/// Ends all sessions. With `If-Match`, the user is deleted only if the user is as the caller read it.
/// Only for the role `admin`. Administrators cannot delete themselves.
#[utoipa::path(
    delete,
    path = "/admin/users/{id}",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(
        ("id" = Uuid, Path, description = "Id of the user."),
        ("If-Match" = Option<String>, Header, description = "`ETag` of the user."),
    ),
    responses(
        (status = 204, description = "The user is deleted."),
        Unauthorized, Forbidden, NotFound, OwnAccount, PreconditionFailed, Unavailable,
    )
)]
pub async fn delete_user(
    admin: Administrator,
    request: HttpRequest,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let use_cases = admin.users();
    let work = async {
        let Representation { user, tag, .. } = Representation::find(&use_cases, &id).await?;
        let expected = Precondition::of(&request, &tag)?.expected(user.revision);
        use_cases.delete_unless_changed(&user, expected).await?;
        Ok(Effect::Changed(()))
    };
    admin.make(work).await?;
    Ok(HttpResponse::NoContent().finish())
}
