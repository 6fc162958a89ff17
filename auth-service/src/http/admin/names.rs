//! Names of scopes, roles and audiences in a body.

use crate::{domain::scope, http::form::Form};

/// Reads a list of names of scopes or roles, empty if the body does not have the field.
pub fn granted_names(form: &mut Form, field: &str) -> Option<Vec<String>> {
    names(form, field, scope::parse_name)
}

/// Reads a list of names, empty if the body does not have the field.
pub fn names(
    form: &mut Form,
    field: &str,
    parse: fn(&str) -> Result<String, String>,
) -> Option<Vec<String>> {
    let texts = form.texts(field)?;
    match texts.iter().map(|text| parse(text)).collect() {
        Ok(names) => Some(names),
        Err(rule) => {
            form.add_error(field, &format!("Each name {rule}."));
            None
        }
    }
}
