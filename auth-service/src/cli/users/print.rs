//! Users and codes as text and as JSON.

use serde_json::{Value, json};

use crate::{
    accounts::{AccountState, User, UserDetails},
    cli::{
        format::Format,
        text::{names, time},
    },
    config::Settings,
    domain::one_time_code::OneTimeCode,
};

/// Returns a user in either format.
pub fn describe(user: &User, format: Format) -> String {
    format.one(|| text(user), || object(user))
}

/// Returns the lines of a user.
pub fn text(user: &User) -> String {
    let User { id, username, email, scope, roles, disabled_at_ms, external_id, .. } = user;
    let mut text = format!(
        "id       {id}\nusername {username}\nemail    {email}\nscopes   {scope}\nroles    {roles}\n"
    );
    if let Some(external_id) = external_id {
        text += &format!("external id {external_id}\n");
    }
    if let Some(since) = disabled_at_ms {
        text += &format!("disabled since {}\n", time(*since));
    }
    text
}

/// Returns a user for programs.
pub fn object(user: &User) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "scopes": names(&user.scope),
        "roles": names(&user.roles),
        "external_id": user.external_id,
        "disabled_since": user.disabled_at_ms.map(time),
    })
}

/// Returns a user and the state of the account in either format.
pub fn describe_details(details: &UserDetails, format: Format) -> String {
    format.one(|| details_text(details), || details_object(details))
}

/// Returns the lines of a user and the state of the account.
pub fn details_text(UserDetails { user, state }: &UserDetails) -> String {
    let AccountState { created_at_ms, email_verified_at_ms, delete_at_ms } = state;
    let mut text = text(user) + &format!("created  {}\n", time(*created_at_ms));
    text += &match email_verified_at_ms {
        Some(at) => format!("email verified at {}\n", time(*at)),
        None => "email not verified\n".to_owned(),
    };
    if let Some(at) = delete_at_ms {
        text += &format!("to be deleted at {}\n", time(*at));
    }
    text
}

/// Returns a user and the state of the account for programs.
pub fn details_object(UserDetails { user, state }: &UserDetails) -> Value {
    let object = with(object(user), "created_at", json!(time(state.created_at_ms)));
    let object = with(object, "email_verified_at", json!(state.email_verified_at_ms.map(time)));
    with(object, "delete_at", json!(state.delete_at_ms.map(time)))
}

/// Adds a member to an object.
pub fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

/// Returns the lines that state a code and how the user uses it.
pub fn code_text(settings: &Settings, code: &OneTimeCode) -> String {
    let minutes = settings.code_lifetime.as_secs().div_ceil(60);
    format!(
        "code     {}\nThe user sets a password with it within {minutes} minutes: \
         POST /password/reset/confirm\n",
        code.reveal()
    )
}
