//! What the proxy requires of a request, as the query of `/auth/verify` states it.

use shared::claims::is_scope_name;

use crate::{
    domain::permission::Permission,
    http::{error::ApiError, form::Form},
};

/// What the proxy requires of a request.
#[derive(Default)]
pub struct Requirements {
    pub permissions: Vec<Permission>,
    /// The token must be for one of them. Empty: for one of the services' audiences.
    pub audiences: Vec<String>,
    pub allows_preflights: bool,
    /// A user who is not signed in is redirected to the sign-in page.
    pub redirects_to_sign_in: bool,
}

impl Requirements {
    /// Parses the query. An unknown parameter is an error: a misspelt one would let requests pass
    /// that the operator wants to keep out.
    ///
    /// # Errors
    /// [`ApiError::Fields`] with each wrong parameter.
    pub fn parse(query: &str) -> Result<Self, ApiError> {
        let mut form = Form::default();
        let mut required = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let names = || value.split(' ').map(str::to_owned);
            match &*name {
                "scope" | "role" if !value.split(' ').all(is_scope_name) => {
                    form.add_error(&name, "Not names of scopes or roles.");
                }
                "scope" => required.permissions.extend(names().map(Permission::Scope)),
                "role" => required.permissions.extend(names().map(Permission::Role)),
                "audience" if value.is_empty() => form.add_error(&name, "Not an audience."),
                "audience" => required.audiences.push(value.into_owned()),
                "preflight" if value == "allow" => required.allows_preflights = true,
                "preflight" => form.add_error(&name, "Only allow is known."),
                "sign_in" if value == "redirect" => required.redirects_to_sign_in = true,
                "sign_in" => form.add_error(&name, "Only redirect is known."),
                _ => {
                    let known = "Only scope, role, audience, preflight and sign_in are known.";
                    form.add_error("query", known);
                }
            }
        }
        form.finish()?;
        Ok(required)
    }
}
