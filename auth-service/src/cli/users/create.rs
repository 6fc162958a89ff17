//! `auth-service users create`.

use clap::Args;
use serde_json::json;
use service_kit::{
    CommandError,
    output::{print_outcome, print_secret},
};

use super::print::{code_text, object, text, with};
use crate::{
    accounts::{Created, NewAccount, NewPassword, UserAdmin},
    app::account_rules,
    cli::{
        format::Format,
        open::{one_time_codes, password_pool},
        prompt::{ask_new_password, has_terminal, read_new_password},
        text::{new_email, scope_name},
    },
    config::Settings,
    domain::{account_rules::AccountRules, email::Email, password::Password, username::Username},
};

#[derive(Args, Debug)]
pub struct Create {
    /// Username, 3 to 150 letters, digits and _.-
    #[arg(value_parser = |text: &str| Username::parse(text).map_err(|why| why.join(" ")))]
    username: Username,
    /// Email address
    #[arg(
        long,
        value_name = "ADDRESS",
        value_parser = new_email
    )]
    email: Email,
    /// Scope, such as reports:read
    #[arg(long = "scope", value_name = "NAME", value_parser = scope_name)]
    scopes: Vec<String>,
    /// Role, such as admin
    #[arg(long = "role", value_name = "NAME", value_parser = scope_name)]
    roles: Vec<String>,
    /// Read the password from the first line of standard input
    #[arg(long, conflicts_with = "code")]
    password_stdin: bool,
    /// Print a one-time code with which the user sets a password, instead of asking for one. The
    /// default without a terminal
    #[arg(long)]
    code: bool,
    /// Record the email address as verified
    #[arg(long)]
    verified: bool,
    /// Allow a name that no visitor may register: a reserved name, a name of several scripts, or a
    /// name that another user gave up
    #[arg(long)]
    allow_reserved: bool,
}

pub async fn run(
    settings: &Settings,
    admin: &UserAdmin,
    create: Create,
    format: Format,
) -> Result<(), CommandError> {
    let Create { username, email, scopes, roles, password_stdin, code, verified, allow_reserved } =
        create;
    let rules = account_rules(settings);
    let password = match choose_password(&rules, password_stdin, code)? {
        Some(password) => NewPassword::Chosen(password, Box::new(password_pool(settings)?)),
        None => NewPassword::Code(one_time_codes(settings)?),
    };
    let account = NewAccount {
        username,
        email,
        password,
        scopes,
        roles,
        allow_reserved,
        is_verified: verified,
    };
    let Created { user, code } = admin.create(account, &rules).await?;
    let Some(code) = code else {
        return print_outcome(&format.one(|| text(&user), || object(&user)));
    };
    let text = || text(&user) + &code_text(settings, &code);
    let json = || with(object(&user), "code", json!(code.reveal()));
    let remedy =
        format!("The user exists: run `users reset-password {}` for a new code", user.username);
    print_secret(&format.one(text, json), &remedy)
}

/// Returns the password that the operator chooses, `None` if the user is to choose one.
fn choose_password(
    rules: &AccountRules,
    password_stdin: bool,
    code: bool,
) -> Result<Option<Password>, CommandError> {
    if password_stdin {
        return read_new_password(&rules.passwords).map(Some);
    }
    if code || !has_terminal() {
        return Ok(None);
    }
    ask_new_password(&rules.passwords)
}
