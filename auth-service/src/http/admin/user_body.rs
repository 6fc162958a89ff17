//! A user as administrators see it.

use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    accounts::{AdminError, UserDetails},
    domain::time::to_second,
    http::{error::ApiError, form::Form},
};

/// A user. Times are in UTC (RFC 3339).
#[derive(Serialize, ToSchema)]
#[schema(as = AdminUser)]
pub struct UserBody {
    id: Uuid,
    username: String,
    email: String,
    /// When the user proved to read the mail of the address. `null`: not yet.
    #[schema(format = DateTime)]
    email_verified_at: Option<String>,
    scopes: Vec<String>,
    roles: Vec<String>,
    /// Since when the user may not log in. `null`: the user may.
    #[schema(format = DateTime)]
    disabled_since: Option<String>,
    #[schema(format = DateTime)]
    created_at: String,
    /// When the account is deleted. `null`: it is not to be deleted.
    #[schema(format = DateTime)]
    delete_at: Option<String>,
}

impl From<&UserDetails> for UserBody {
    fn from(UserDetails { user, state }: &UserDetails) -> Self {
        Self {
            id: user.id,
            username: user.username.clone(),
            email: user.email.clone(),
            email_verified_at: state.email_verified_at_ms.map(to_second),
            scopes: names(&user.scope),
            roles: names(&user.roles),
            disabled_since: user.disabled_at_ms.map(to_second),
            created_at: to_second(state.created_at_ms),
            delete_at: state.delete_at_ms.map(to_second),
        }
    }
}

/// Splits a list of names that spaces separate.
pub fn names(list: &str) -> Vec<String> {
    list.split_whitespace().map(str::to_owned).collect()
}

impl From<AdminError> for ApiError {
    fn from(why: AdminError) -> Self {
        let text = why.to_string();
        match why {
            AdminError::UnknownUser(_) => Self::NotFound("There is no user with this id."),
            AdminError::UnknownSession => Self::NotFound("The user has no session with this id."),
            AdminError::Changed => Self::PreconditionFailed,
            AdminError::OwnAccount(detail) => Self::Conflict { code: "own_account", detail },
            AdminError::TooManyClaims(_) => Form::single_error("scopes", &sentence(&text)),
            AdminError::Taken("username") => {
                Form::single_error("username", "A user with that username already exists.")
            }
            AdminError::Taken(_) => {
                Form::single_error("email", "A user with that email already exists.")
            }
            AdminError::KeptAddress => Form::single_error("email", &sentence(&text)),
            AdminError::Name(why) => Form::single_error("username", &why.to_string()),
            AdminError::NameOfDeleted => Form::single_error(
                "username",
                "Another user had this name, and the audit trail still has events of that user.",
            ),
            AdminError::PasswordOfNames => Form::single_error("password", &sentence(&text)),
            AdminError::NoInvitation(_) => Self::NotFound("There is no such invitation."),
            AdminError::UnknownClient(_) => {
                Form::single_error("client", "There is no such client.")
            }
            AdminError::UnknownEvent { .. } => Form::single_error("event", &sentence(&text)),
            AdminError::Ambiguous(_) | AdminError::SeveralDeleted(_) => {
                Form::single_error("user", &sentence(&text))
            }
            AdminError::NothingToChange => Form::single_error("query", &sentence(&text)),
            AdminError::Busy(why) => why.into(),
            AdminError::Store(why) => why.into(),
        }
    }
}

/// Returns a message of an error as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    let end = if text.ends_with('.') { "" } else { "." };
    first.into_iter().chain(chars).collect::<String>() + end
}
