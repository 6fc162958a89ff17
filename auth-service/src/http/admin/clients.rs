//! `/admin/clients`: lists, registers and deletes clients, and replaces their secrets.

use actix_web::{
    HttpRequest, HttpResponse,
    web::{Json, Path},
};
use serde::Serialize;
use service_kit::openapi::{BadBody, Forbidden, Unauthorized, Unavailable};
use utoipa::ToSchema;

use super::{
    names::{granted_names, names},
    query::{self, Query},
    responses::{BadQuery, NotFound},
    user_body,
};
use crate::{
    domain::{
        audience,
        client::{ClientId, ClientSecret},
        time::to_second,
    },
    http::{
        error::ApiError,
        extract::{AdminForm, Administrator, Effect},
        form::{Form, FromForm},
    },
    oauth::{Client, ClientAdminError, NewClient},
};

/// A page of clients, in the order of their ids.
#[derive(Serialize, ToSchema)]
pub struct AdminClients {
    clients: Vec<ClientBody>,
    /// `after` for the next page. `null`: this is the last page.
    next: Option<String>,
}

/// A client. Times are in UTC (RFC 3339).
#[derive(Serialize, ToSchema)]
#[schema(as = AdminClient)]
struct ClientBody {
    client_id: String,
    /// Scopes that the client may request.
    scopes: Vec<String>,
    /// Audiences of the client's own tokens. Empty: those of the setting AUDIENCE.
    audiences: Vec<String>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    secret_changed_at: String,
}

impl From<Client> for ClientBody {
    fn from(client: Client) -> Self {
        Self {
            client_id: client.id.as_str().to_owned(),
            scopes: user_body::names(&client.scope),
            audiences: user_body::names(&client.audiences),
            created_at: to_second(client.created_at_ms),
            secret_changed_at: to_second(client.secret_changed_at_ms),
        }
    }
}

/// A client and its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = AdminClientSecret)]
pub struct SecretBody {
    client_id: String,
    /// It is not shown again.
    client_secret: String,
}

impl SecretBody {
    fn new(id: &ClientId, secret: &ClientSecret) -> Self {
        Self { client_id: id.as_str().to_owned(), client_secret: secret.reveal().to_owned() }
    }
}

/// List clients.
///
/// In the order of their ids, a page at a time. The roles `admin` and `support` may read. The audit
/// trail records the call.
#[utoipa::path(
    get,
    path = "/admin/clients",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(
        ("after" = Option<String>, Query, description = "`next` of the page before."),
        ("limit" = Option<u16>, Query, description = "Maximum number of clients: 1 to 200.",
            minimum = 1, maximum = 200),
    ),
    responses(
        (status = 200, description = "A page of clients.", body = AdminClients),
        BadQuery, Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn list_clients(
    admin: Administrator,
    request: HttpRequest,
) -> Result<Json<AdminClients>, ApiError> {
    let mut query = Query::read(&request, &["after", "limit"]);
    let after = query.after(|text| ClientId::parse(text).ok());
    let limit = query.limit();
    query.finish()?;
    // One more, to learn whether there is another page.
    let mut clients = admin.clients().page(after, limit as i64 + 1).await?;
    let next = query::cut(&mut clients, limit, |last| last.id.as_str().to_owned());
    Ok(Json(AdminClients { clients: clients.into_iter().map(ClientBody::from).collect(), next }))
}

/// The client to register.
#[derive(ToSchema)]
#[schema(as = AdminNewClient, example = json!({"id": "billing-job", "scopes": ["reports:read"]}))]
#[expect(dead_code, reason = "describes the fields of the form")]
struct NewClientFields {
    /// Letters, digits and `._-`. Not a UUID, and not `first-party`.
    #[schema(min_length = 1, max_length = 100)]
    id: String,
    /// Scopes that the client may request.
    #[schema(required = false, min_items = 1)]
    scopes: Vec<String>,
    /// Audiences of the client's own tokens. Missing: those of the setting AUDIENCE.
    #[schema(required = false, min_items = 1)]
    audiences: Vec<String>,
}

impl FromForm for NewClient {
    fn from_form(form: &mut Form) -> Option<Self> {
        let id = form.trimmed("id", |text| {
            ClientId::parse(&text).map_err(|rule| vec![format!("The id {rule}.")])
        });
        let scopes = granted_names(form, "scopes");
        let audiences = names(form, "audiences", audience::parse_name);
        Some(Self { id: id?, scopes: scopes?, audiences: audiences? })
    }
}

/// Register a client.
///
/// The answer has the secret, of which the service keeps only a hash. Only for the role `admin`.
#[utoipa::path(
    post,
    path = "/admin/clients",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    request_body = NewClientFields,
    responses(
        (status = 201, description = "The client exists.", body = SecretBody),
        BadBody, Unauthorized, Forbidden, Unavailable,
    )
)]
pub async fn create_client(
    AdminForm(admin, new): AdminForm<NewClient>,
) -> Result<HttpResponse, ApiError> {
    let id = new.id.clone();
    let work = async {
        let secret = admin.clients().create(new).await?;
        Ok(Effect::Changed(SecretBody::new(&id, &secret)))
    };
    Ok(HttpResponse::Created().json(admin.make(work).await?))
}

/// Replace the secret of a client.
///
/// Each replica refuses the former secret within 2 seconds, or within 5 minutes if it cannot reach
/// the database. Only for the role `admin`.
#[utoipa::path(
    post,
    path = "/admin/clients/{id}/rotate-secret",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(("id" = String, Path, description = "Id of the client.")),
    responses(
        (status = 200, description = "The new secret.", body = SecretBody),
        Unauthorized, Forbidden, NotFound, Unavailable,
    )
)]
pub async fn rotate_client_secret(
    admin: Administrator,
    id: Path<String>,
) -> Result<Json<SecretBody>, ApiError> {
    let work = async {
        let id = client_id(&id)?;
        let secret = admin.clients().rotate_secret(&id).await?;
        Ok(Effect::Changed(SecretBody::new(&id, &secret)))
    };
    Ok(Json(admin.make(work).await?))
}

/// Delete a client.
///
/// Its tokens stay valid until they expire. Only for the role `admin`.
#[utoipa::path(
    delete,
    path = "/admin/clients/{id}",
    tag = "admin",
    security(("bearer" = []), ("cookie" = [])),
    params(("id" = String, Path, description = "Id of the client.")),
    responses(
        (status = 204, description = "The client is deleted."),
        Unauthorized, Forbidden, NotFound, Unavailable,
    )
)]
pub async fn delete_client(
    admin: Administrator,
    id: Path<String>,
) -> Result<HttpResponse, ApiError> {
    let work = async {
        admin.clients().delete(&client_id(&id)?).await?;
        Ok(Effect::Changed(()))
    };
    admin.make(work).await?;
    Ok(HttpResponse::NoContent().finish())
}

const UNKNOWN: ApiError = ApiError::NotFound("There is no client with this id.");

fn client_id(text: &str) -> Result<ClientId, ApiError> {
    ClientId::parse(text).map_err(|_| UNKNOWN)
}

impl From<ClientAdminError> for ApiError {
    fn from(why: ClientAdminError) -> Self {
        match why {
            ClientAdminError::Exists(_) => {
                Form::single_error("id", "A client with that id already exists.")
            }
            ClientAdminError::Unknown(_) => UNKNOWN,
            ClientAdminError::TooManyScopes => {
                Form::single_error("scopes", "The scopes are too long.")
            }
            ClientAdminError::Store(why) => why.into(),
        }
    }
}
