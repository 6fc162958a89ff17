//! The parameters of a form-encoded request (RFC 6749 section 3.2).

use std::collections::HashMap;

use actix_web::{FromRequest, HttpRequest, dev::Payload};
use futures_util::future::LocalBoxFuture;
use shared::claims::{Scope, is_scope_name};
use zeroize::Zeroizing;

use super::{
    credentials::{Credentials, credentials_in_header},
    error::OAuthError,
};
use crate::{http::body::read_fields, sessions::Wanted};

/// The parameters of a form-encoded request. Each parameter occurs at most once, except `resource`.
/// A parameter without a value counts as missing. Unknown parameters are ignored.
pub struct Parameters {
    values: HashMap<String, Zeroizing<String>>,
    /// The values of `resource` (RFC 8707 section 2).
    resources: Vec<String>,
    /// The credentials in the `Authorization` header, if the request has the header.
    pub(super) header: Option<Result<Credentials, OAuthError>>,
}

impl Parameters {
    /// Returns a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|value| value.as_str())
    }

    /// Returns a required parameter.
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`] if the parameter is missing.
    pub fn required(&self, name: &str) -> Result<&str, OAuthError> {
        let missing = || OAuthError::InvalidRequest(format!("The parameter {name} is missing."));
        self.get(name).ok_or_else(missing)
    }

    /// Returns what the client asks for: the parameters `scope` and `resource`.
    ///
    /// # Errors
    /// [`OAuthError::InvalidScope`] if the scope is malformed.
    pub fn wanted(&self) -> Result<Wanted, OAuthError> {
        Ok(Wanted { scope: self.scope()?, audiences: self.resources.clone() })
    }

    fn scope(&self) -> Result<Option<Scope>, OAuthError> {
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
            let mut values = HashMap::new();
            let mut resources = Vec::new();
            for (name, value) in read_fields(&request, payload).await? {
                if name == "resource" {
                    resources.push(value.to_string());
                } else if values.insert(name, value).is_some() {
                    // The name is not repeated here, because it may be a misplaced secret.
                    return Err(OAuthError::InvalidRequest("A parameter occurs twice.".into()));
                }
            }
            values.retain(|_, value| !value.is_empty());
            resources.retain(|value| !value.is_empty());
            Ok(Self { values, resources, header: credentials_in_header(&request) })
        })
    }
}
