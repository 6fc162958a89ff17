//! How a client authenticates: with HTTP Basic, or with parameters of the body (RFC 6749 section
//! 2.3.1).

use std::str;

use actix_web::{HttpRequest, http::header::AUTHORIZATION};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{error::OAuthError, parameters::Parameters};
use crate::{
    domain::client::ClientSecret,
    oauth::{Client, Clients},
};

/// How clients may authenticate (RFC 8414 section 2).
pub const AUTHENTICATION_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// Id and secret of a client.
pub struct Credentials {
    id: String,
    secret: ClientSecret,
}

/// Returns the credentials in the `Authorization` header (RFC 7617). `None` if the request does not
/// have the header.
pub fn credentials_in_header(request: &HttpRequest) -> Option<Result<Credentials, OAuthError>> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let first = headers.next()?;
    let only = Some(first.as_bytes()).filter(|_| headers.next().is_none());
    Some(only.and_then(parse_basic).ok_or(OAuthError::InvalidClient))
}

fn parse_basic(header: &[u8]) -> Option<Credentials> {
    let (scheme, encoded) = str::from_utf8(header).ok()?.trim().split_once(' ')?;
    let is_basic = scheme.eq_ignore_ascii_case("Basic");
    let decoded = STANDARD.decode(encoded.trim()).ok().filter(|_| is_basic)?;
    let (id, secret) = str::from_utf8(&decoded).ok()?.split_once(':')?;
    let secret = ClientSecret::from_text(decode_form(secret));
    Some(Credentials { id: decode_form(id), secret })
}

/// Decodes an id or a secret, which a client form-encodes before it joins them. Our ids and secrets
/// contain no character that the encoding must change.
fn decode_form(text: &str) -> String {
    form_urlencoded::parse(format!("x={}", text.replace('&', "%26")).as_bytes())
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

/// Authenticates a client by the `Authorization` header.
///
/// # Errors
/// [`OAuthError::InvalidClient`] if the header is missing or its credentials are wrong.
pub async fn authenticate_by_header(
    clients: &Clients,
    request: &HttpRequest,
) -> Result<Client, OAuthError> {
    let Credentials { id, secret } =
        credentials_in_header(request).ok_or(OAuthError::InvalidClient)??;
    clients.authenticate(&id, &secret).await?.ok_or(OAuthError::InvalidClient)
}

impl Parameters {
    /// Authenticates the client, if the request has credentials. A `client_id` alone proves nothing
    /// and is ignored.
    ///
    /// # Errors
    /// [`OAuthError::InvalidClient`] if the credentials are wrong; [`OAuthError::InvalidRequest`]
    /// if the request has two of them.
    pub async fn client(&self, clients: &Clients) -> Result<Option<Client>, OAuthError> {
        let invalid = |why: &str| Err(OAuthError::InvalidRequest(why.into()));
        let in_body;
        let Credentials { id, secret } = match (&self.header, self.get("client_secret")) {
            (None, None) => return Ok(None),
            (Some(_), Some(_)) => return invalid("The client authenticates in two ways."),
            (Some(Err(_)), None) => return Err(OAuthError::InvalidClient),
            (Some(Ok(credentials)), None) => {
                if self.get("client_id").is_some_and(|other| other != credentials.id) {
                    return invalid("The request names two clients.");
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

    /// Authenticates the client.
    ///
    /// # Errors
    /// As [`Parameters::client`], and [`OAuthError::InvalidClient`] if the request has no
    /// credentials.
    pub async fn authenticated_client(&self, clients: &Clients) -> Result<Client, OAuthError> {
        self.client(clients).await?.ok_or(OAuthError::InvalidClient)
    }
}
