//! The standard's routes, in the standard's dialect: form-encoded requests, clients that authenticate themselves, and
//! errors with an `error` (RFC 6749 section 5.2).

pub mod introspect;
pub mod revoke;
pub mod token;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, ResponseError,
    dev::Payload,
    http::{
        StatusCode,
        header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE},
    },
};
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::future::LocalBoxFuture;
use serde::Serialize;
use service_kit::openapi::header;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{Content, Ref, RefOr, Response, ResponseBuilder},
};

use crate::{
    domain::{client::ClientSecret, scope::ScopeNotGranted},
    http::{error::ApiError, form},
    oauth::{
        clients::Clients,
        grants::{ClientCredentialsError, TokenError},
    },
    sessions::RefreshError,
    store::{StoreError, clients::Client},
};

const FORM: &str = "application/x-www-form-urlencoded";

/// How clients may authenticate themselves (RFC 8414 section 2).
pub const CLIENT_AUTHENTICATION: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// Why a request was refused.
#[derive(Debug)]
pub enum OAuthError {
    /// A parameter is missing, there twice, or malformed.
    InvalidRequest(String),
    /// The client is unknown, or did not authenticate itself.
    InvalidClient,
    /// The refresh token is refused, and why.
    InvalidGrant(&'static str),
    /// This client may not do that.
    UnauthorizedClient(&'static str),
    /// Another `grant_type`.
    UnsupportedGrantType,
    /// More scope than may be granted.
    InvalidScope,
    /// A body that could not be read, or an outage: the same in any dialect.
    Other(ApiError),
}

/// The body of an error (RFC 6749 section 5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub struct ErrorBody<'a> {
    error: &'a str,
    /// For a person.
    error_description: &'a str,
}

impl OAuthError {
    fn parts(&self) -> (StatusCode, &'static str, String) {
        use StatusCode as S;
        match self {
            Self::InvalidRequest(why) => (S::BAD_REQUEST, "invalid_request", why.clone()),
            Self::InvalidClient => {
                (S::UNAUTHORIZED, "invalid_client", "The client is not known, or its secret is wrong.".into())
            }
            Self::InvalidGrant(why) => (S::BAD_REQUEST, "invalid_grant", (*why).into()),
            Self::UnauthorizedClient(why) => (S::BAD_REQUEST, "unauthorized_client", (*why).into()),
            Self::UnsupportedGrantType => (
                S::BAD_REQUEST,
                "unsupported_grant_type",
                "grant_type must be refresh_token or client_credentials.".into(),
            ),
            Self::InvalidScope => (
                S::BAD_REQUEST,
                "invalid_scope",
                "The scope is malformed, or more than may be granted.".into(),
            ),
            Self::Other(why) => {
                let status = why.status_code();
                let error = match status {
                    S::SERVICE_UNAVAILABLE => "temporarily_unavailable",
                    S::INTERNAL_SERVER_ERROR => "server_error",
                    _ => "invalid_request",
                };
                (status, error, why.to_string())
            }
        }
    }
}

impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.parts().2)
    }
}

impl ResponseError for OAuthError {
    fn status_code(&self) -> StatusCode {
        self.parts().0
    }

    fn error_response(&self) -> HttpResponse {
        if let Self::Other(why @ ApiError::InsufficientScope(_)) = self {
            // RFC 6750 section 3.1, which this dialect has no other words for.
            return why.error_response();
        }
        let (status, error, description) = self.parts();
        let mut response = HttpResponse::build(status);
        if status == StatusCode::UNAUTHORIZED {
            response.insert_header((WWW_AUTHENTICATE, r#"Basic realm="clients""#));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.insert_header((RETRY_AFTER, "1"));
        }
        if matches!(self, Self::Other(ApiError::TooLarge | ApiError::TooSlow)) {
            // What is left of the body is not read, so the connection cannot be used again.
            response.force_close();
        }
        response.json(ErrorBody { error, error_description: &description })
    }
}

impl From<ApiError> for OAuthError {
    fn from(why: ApiError) -> Self {
        match why {
            ApiError::RefreshToken(why) => Self::InvalidGrant(why),
            ApiError::NotJson => Self::InvalidRequest("The body broke off.".into()),
            why => Self::Other(why),
        }
    }
}

impl From<StoreError> for OAuthError {
    fn from(why: StoreError) -> Self {
        Self::Other(why.into())
    }
}

type Responses = BTreeMap<String, RefOr<Response>>;

fn refusals(of: &[(&str, &str, Option<&str>)]) -> Responses {
    let refusal = |(status, description, name): &(&str, &str, Option<&str>)| {
        let content = Content::new(Some(Ref::from_schema_name("OAuthError")));
        let response = ResponseBuilder::new().description(*description).content("application/json", content);
        let response = name.iter().fold(response, |response, name| response.header(*name, header(name)));
        ((*status).to_owned(), response.build().into())
    };
    of.iter().map(refusal).collect()
}

const BAD_CLIENT: (&str, &str, Option<&str>) =
    ("401", "The client is not known, or its secret is wrong.", Some("WWW-Authenticate"));

const UNAVAILABLE: (&str, &str, Option<&str>) =
    ("503", "Not at the moment: try again after `Retry-After` seconds.", Some("Retry-After"));

/// The answers to a client that does not prove who it is, or not now.
pub struct BadClient;

impl IntoResponses for BadClient {
    fn responses() -> Responses {
        refusals(&[BAD_CLIENT, UNAVAILABLE])
    }
}

/// The answers that any of these routes may give to a request it does not take.
pub struct Refusals;

impl IntoResponses for Refusals {
    fn responses() -> Responses {
        refusals(&[
            ("400", "A parameter is wrong, or what is asked for is not granted: `error` says which.", None),
            BAD_CLIENT,
            ("408", "The body did not arrive in time.", None),
            ("413", "The body is larger than any request needs.", None),
            ("415", "The body is not `application/x-www-form-urlencoded`.", None),
            UNAVAILABLE,
        ])
    }
}

/// A form-encoded request: each parameter at most once, those without a value as if they were not there (RFC 6749
/// section 3.2), unknown ones ignored.
pub struct Parameters {
    values: HashMap<String, String>,
    /// The credentials in the `Authorization` header, if it is there.
    header: Option<Result<Credentials, OAuthError>>,
}

impl FromRequest for Parameters {
    type Error = OAuthError;
    type Future = LocalBoxFuture<'static, Result<Self, OAuthError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let body = form::body(&request, payload, FORM).await?;
            let mut values = HashMap::new();
            for (name, value) in form_urlencoded::parse(&body) {
                if values.insert(name.to_string(), value.into_owned()).is_some() {
                    // Which one is not repeated here: it may be a secret in the wrong place.
                    return Err(OAuthError::InvalidRequest("A parameter is there twice.".into()));
                }
            }
            values.retain(|_, value| !value.is_empty());
            let header = credentials(&request);
            Ok(Self { values, header })
        })
    }
}

/// A client's id and secret.
struct Credentials {
    id: String,
    secret: ClientSecret,
}

/// The credentials in the `Authorization` header, if it is there (RFC 6749 section 2.3.1, RFC 7617).
fn credentials(request: &HttpRequest) -> Option<Result<Credentials, OAuthError>> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let first = headers.next()?;
    let alone = Some(first.as_bytes()).filter(|_| headers.next().is_none());
    Some(alone.and_then(basic).ok_or(OAuthError::InvalidClient))
}

fn basic(header: &[u8]) -> Option<Credentials> {
    let (scheme, encoded) = std::str::from_utf8(header).ok()?.trim().split_once(' ')?;
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("Basic"))?;
    let (id, secret) = std::str::from_utf8(&decoded).ok()?.split_once(':')?;
    Some(Credentials { id: form_decoded(id), secret: ClientSecret::from_text(form_decoded(secret)) })
}

/// The client that the `Authorization` header proves.
///
/// # Errors
/// [`OAuthError::InvalidClient`], if it proves none.
pub async fn basic_client(clients: &Clients, request: &HttpRequest) -> Result<Client, OAuthError> {
    let Credentials { id, secret } = credentials(request).ok_or(OAuthError::InvalidClient)??;
    clients.authenticate(&id, &secret).await?.ok_or(OAuthError::InvalidClient)
}

/// Both halves are form-encoded before they are joined. TokenErrors holds a character that this changes, unless a client
/// encodes more than it must.
fn form_decoded(text: &str) -> String {
    form_urlencoded::parse(format!("x={}", text.replace('&', "%26")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

impl Parameters {
    /// A parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// A parameter that must be there.
    pub fn required(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name).ok_or_else(|| OAuthError::InvalidRequest(format!("The parameter {name} is missing.")))
    }

    /// The client that asks, if it says who it is. A `client_id` alone proves nothing, and is ignored.
    ///
    /// # Errors
    /// [`OAuthError::InvalidClient`], if it is not who it says it is.
    pub async fn client(&self, clients: &Clients) -> Result<Option<Client>, OAuthError> {
        let refused = |why: &str| Err(OAuthError::InvalidRequest(why.into()));
        let in_body;
        let Credentials { id, secret } = match (&self.header, self.get("client_secret")) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return refused("The client authenticates itself in two ways."),
            (Some(Err(_)), None) => return Err(OAuthError::InvalidClient),
            (Some(Ok(credentials)), None) => {
                if self.get("client_id").is_some_and(|other| other != credentials.id) {
                    return refused("The client has two ids.");
                }
                credentials
            }
            (None, Some(secret)) => {
                let secret = ClientSecret::from_text(secret.to_owned());
                in_body = Credentials { id: self.required("client_id")?.to_owned(), secret };
                &in_body
            }
        };
        let client = clients.authenticate(id, secret).await?;
        client.map(Some).ok_or(OAuthError::InvalidClient)
    }

    /// The client that asks.
    ///
    /// # Errors
    /// [`OAuthError::InvalidClient`], if it does not prove who it is.
    pub async fn authenticated_client(&self, clients: &Clients) -> Result<Client, OAuthError> {
        self.client(clients).await?.ok_or(OAuthError::InvalidClient)
    }
}

impl From<ScopeNotGranted> for OAuthError {
    fn from(_: ScopeNotGranted) -> Self {
        Self::InvalidScope
    }
}

impl From<RefreshError> for OAuthError {
    fn from(why: RefreshError) -> Self {
        match why {
            RefreshError::Scope(why) => why.into(),
            why => ApiError::from(why).into(),
        }
    }
}

impl From<ClientCredentialsError> for OAuthError {
    fn from(why: ClientCredentialsError) -> Self {
        match why {
            ClientCredentialsError::Scope(why) => why.into(),
            ClientCredentialsError::NoSigningKey(why) => ApiError::from(why).into(),
        }
    }
}

impl From<TokenError> for OAuthError {
    fn from(why: TokenError) -> Self {
        match why {
            TokenError::Undecidable => Self::Other(ApiError::Unavailable),
            TokenError::Unauthenticated => Self::InvalidClient,
            TokenError::OtherClient => Self::UnauthorizedClient("The token is another client's."),
            TokenError::SessionState(why) => ApiError::from(why).into(),
            TokenError::Store(why) => why.into(),
        }
    }
}
