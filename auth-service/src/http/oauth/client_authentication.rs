//! How a client authenticates: with HTTP Basic, or with parameters of the body (RFC 6749 section
//! 2.3.1).

use actix_web::HttpRequest;

use super::{
    credentials::{Credentials, credentials_in_header},
    error::OAuthError,
    parameters::Parameters,
};
use crate::{
    domain::client::{ClientSecret, FIRST_PARTY},
    oauth::{Client, Clients},
};

/// How clients may authenticate (RFC 8414 section 2).
pub const AUTHENTICATION_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

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
    /// if the request has credentials in header and body, names two clients, or has a
    /// `client_secret` without a `client_id`.
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

    /// Returns the id of the client that presents a grant (RFC 6749 section 3.2.1). A caller without
    /// credentials is the public client of the users, `first-party`. Each registered client has a
    /// secret, so a `client_id` alone names no other client.
    ///
    /// # Errors
    /// As [`Parameters::client`], and [`OAuthError::InvalidClient`] for another `client_id` without
    /// credentials.
    pub async fn presenting_client(&self, clients: &Clients) -> Result<String, OAuthError> {
        match (self.client(clients).await?, self.get("client_id")) {
            (Some(client), _) => Ok(client.id.as_str().to_owned()),
            (None, None | Some(FIRST_PARTY)) => Ok(FIRST_PARTY.to_owned()),
            (None, Some(_)) => Err(OAuthError::InvalidClient),
        }
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
