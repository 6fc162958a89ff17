//! The parameters of a form-encoded request (RFC 6749 section 3.2).

use std::collections::HashMap;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;
use shared::claims::{Scope, is_scope_name};

use super::{
    client_authentication::{Credentials, credentials_in_header},
    error::OAuthError,
};
use crate::http::form;

const MEDIA_TYPE: &str = "application/x-www-form-urlencoded";

/// The parameters of a form-encoded request. Each parameter occurs at most once. A parameter
/// without a value counts as missing. Unknown parameters are ignored.
pub struct Parameters {
    values: HashMap<String, String>,
    /// The credentials in the `Authorization` header, if the request has the header.
    pub(super) header: Option<Result<Credentials, OAuthError>>,
}

impl Parameters {
    /// Returns a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// Returns a required parameter.
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`] if the parameter is missing.
    pub fn required(&self, name: &str) -> Result<&str, OAuthError> {
        let missing = || OAuthError::InvalidRequest(format!("The parameter {name} is missing."));
        self.get(name).ok_or_else(missing)
    }

    /// Returns the parameter `scope`.
    ///
    /// # Errors
    /// [`OAuthError::InvalidScope`] if the parameter is malformed.
    pub fn scope(&self) -> Result<Option<Scope>, OAuthError> {
        let Some(text) = self.get("scope") else { return Ok(None) };
        if text.split(' ').all(is_scope_name) {
            Ok(Some(text.to_owned().into()))
        } else {
            Err(OAuthError::InvalidScope)
        }
    }
}

impl FromRequest for Parameters {
    type Error = OAuthError;
    type Future = LocalBoxFuture<'static, Result<Self, OAuthError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let body = form::body(&request, payload, MEDIA_TYPE).await?;
            let mut values = HashMap::new();
            for (name, value) in form_urlencoded::parse(&body) {
                if values.insert(name.to_string(), value.into_owned()).is_some() {
                    // The name is not repeated here, because it may be a misplaced secret.
                    return Err(OAuthError::InvalidRequest("A parameter occurs twice.".into()));
                }
            }
            values.retain(|_, value| !value.is_empty());
            Ok(Self { values, header: credentials_in_header(&request) })
        })
    }
}
