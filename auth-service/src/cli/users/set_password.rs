//! `auth-service users set-password`.

use clap::Args;
use serde_json::json;
use service_kit::{CommandError, output::print_outcome};

use super::print::{object, with};
use crate::{
    accounts::{PasswordOutcome, UserAdmin},
    app::account_rules,
    cli::{
        format::Format,
        open::password_pool,
        prompt::{has_terminal, read_new_password, require_new_password},
    },
    config::Settings,
};

#[derive(Args, Debug)]
pub struct SetPassword {
    /// Username, email address or id
    user: String,
    /// Read the password from the first line of standard input. Required without a terminal
    #[arg(long)]
    password_stdin: bool,
}

pub async fn run(
    settings: &Settings,
    admin: &UserAdmin,
    SetPassword { user, password_stdin }: SetPassword,
    format: Format,
) -> Result<(), CommandError> {
    let rules = account_rules(settings);
    // An unknown user is reported before the operator types a password.
    admin.find(&user).await?;
    let password = match (password_stdin, has_terminal()) {
        (true, _) => read_new_password(&rules.passwords)?,
        (false, true) => require_new_password(&rules.passwords)?,
        (false, false) => {
            return Err(CommandError::usage(
                "standard input is no terminal to ask for the password: add --password-stdin, or \
                 run `users reset-password` for a one-time code",
            ));
        }
    };
    let pool = password_pool(settings)?;
    let PasswordOutcome { user, sessions_ended } =
        admin.set_password(&user, &password, &pool, &rules).await?;
    let text =
        || format!("The password of {} is set, {sessions_ended} sessions ended\n", user.username);
    let json = || with(object(&user), "sessions_ended", json!(sessions_ended));
    print_outcome(&format.one(text, json))
}
