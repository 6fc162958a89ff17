//! `auth-service users`: creates, lists, shows and changes users.

mod create;
mod export;
mod import;
mod invite;
mod list;
mod print;
mod progress;
mod sessions;
mod set_password;

use clap::{Args, Subcommand};
use serde_json::json;
use service_kit::{
    CommandError,
    output::{print, print_outcome, print_secret},
};

use self::print::{
    code_text, describe, describe_details, details_object, details_text, object, text, with,
};

use super::{
    format::Format,
    open::{one_time_codes, user_admin},
    prompt::confirm,
    text::scope_name,
};
use crate::{
    accounts::{Change, ClaimsChange, PasswordVoided, UserAdmin, UserChanged},
    app::mark_claims_stale,
    config::Settings,
};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Create a user, such as the first administrator. Asks for a password on a terminal, or prints
    /// a one-time code with which the user sets one
    Create(create::Create),
    /// Invite a person to register an email address. With REGISTRATION=invite, a visitor without an
    /// invitation may not register. Mails the invitation if MAIL_URL is set, or prints its code
    Invite(invite::Invite),
    /// List the invitations that are still valid, in the order of their addresses
    Invitations(invite::List),
    /// Revoke the invitation for an email address
    RevokeInvitation(invite::Address),
    /// Import users with their password hashes: Django's dumpdata, JSON lines or CSV. A user who exists
    /// already is left as is, so an import may be run again. Exit code 3: rows are refused
    Import(import::Import),
    /// Print all users, in a form that `users import` reads
    Export(export::Export),
    /// List users, in the order of their creation
    List(list::List),
    /// Print a user's id, name, email address, scopes, roles, and the state of the account
    Show(UserName),
    /// List the live sessions of a user, the last used first
    Sessions(UserName),
    /// Grant scopes or roles to a user. Tokens have them from the next refresh on
    Grant(ClaimNames),
    /// Revoke scopes or roles of a user. Tokens lack them from the next refresh on
    Revoke(ClaimNames),
    /// Void a user's password, end all sessions, and print a one-time code with which the user sets
    /// a new password at POST /password/reset/confirm
    ResetPassword(UserName),
    /// Set a user's password and end all sessions. Asks for the password on a terminal
    SetPassword(set_password::SetPassword),
    /// Record a user's email address as verified
    VerifyEmail(UserName),
    /// End all sessions of a user
    Logout(UserName),
    /// Disable a user: end all sessions and refuse logins
    Disable(UserName),
    /// Enable a disabled user
    Enable(UserName),
    /// Reset the counters of a user's failed logins, so that logins are no longer delayed or locked
    Unlock(UserName),
    /// Delete a user and end all sessions. Asks for confirmation
    Delete(Delete),
}

#[derive(Args, Debug)]
pub struct UserName {
    /// Username, email address or id
    user: String,
}

#[derive(Args, Debug)]
pub struct Delete {
    /// Username, email address or id
    user: String,
    /// Do not ask for confirmation. Required without a terminal
    #[arg(long)]
    yes: bool,
}

#[derive(Args, Debug)]
pub struct ClaimNames {
    /// Username, email address or id
    user: String,
    /// Scope, such as reports:read
    #[arg(long = "scope", value_name = "NAME", value_parser = scope_name)]
    scopes: Vec<String>,
    /// Role, such as editor
    #[arg(long = "role", value_name = "NAME", value_parser = scope_name)]
    roles: Vec<String>,
}

pub async fn run(settings: &Settings, action: Action, format: Format) -> Result<(), CommandError> {
    let admin = user_admin(settings).await?;
    match action {
        Action::Create(create) => create::run(settings, &admin, create, format).await,
        Action::ResetPassword(UserName { user }) => {
            reset_password(settings, &admin, &user, format).await
        }
        Action::Import(import) => import::run(settings, &admin, import, format).await,
        Action::Export(export) => export::run(&admin, export).await,
        Action::List(list) => list::run(&admin, list, format).await,
        Action::Invite(invite) => invite::create(settings, &admin, invite, format).await,
        Action::Invitations(list) => invite::list(&admin, list, format).await,
        Action::RevokeInvitation(address) => invite::revoke(&admin, address, format).await,
        Action::Show(UserName { user }) => {
            print(&describe_details(&admin.find_details(&user).await?, format))
        }
        Action::Sessions(UserName { user }) => sessions::run(&admin, &user, format).await,
        Action::SetPassword(set) => set_password::run(settings, &admin, set, format).await,
        Action::VerifyEmail(UserName { user }) => {
            let (details, is_changed) = admin.verify_email(&user).await?;
            let note =
                if is_changed { "" } else { "unchanged: the address was verified already\n" };
            let text = || details_text(&details) + note;
            let json = || with(details_object(&details), "changed", json!(is_changed));
            print_outcome(&format.one(text, json))
        }
        Action::Grant(names) => change_claims(settings, &admin, Change::Grant, names, format).await,
        Action::Revoke(names) => {
            change_claims(settings, &admin, Change::Revoke, names, format).await
        }
        Action::Disable(UserName { user }) => set_disabled(&admin, &user, true, format).await,
        Action::Enable(UserName { user }) => set_disabled(&admin, &user, false, format).await,
        Action::Unlock(UserName { user }) => {
            print_outcome(&describe(&admin.unlock(&user).await?, format))
        }
        Action::Logout(UserName { user }) => {
            let (user, ended) = admin.log_out(&user).await?;
            let text = || format!("{} sessions of {} ended\n", ended, user.username);
            let json = || with(object(&user), "sessions_ended", json!(ended));
            print_outcome(&format.one(text, json))
        }
        Action::Delete(Delete { user, yes }) => {
            let user = admin.find(&user).await?;
            if !yes {
                confirm(&format!("Delete {} ({}, {})?", user.username, user.email, user.id))?;
            }
            admin.delete(&user).await?;
            let text = || format!("Deleted {} ({})\n", user.username, user.id);
            let json = || with(object(&user), "deleted", json!(true));
            print_outcome(&format.one(text, json))
        }
    }
}

async fn reset_password(
    settings: &Settings,
    admin: &UserAdmin,
    user: &str,
    format: Format,
) -> Result<(), CommandError> {
    let codes = one_time_codes(settings)?;
    let voided = admin.reset_password(user, &codes).await?;
    let PasswordVoided { user, sessions_ended: ended, code } = voided;
    let Some(code) = code else { return print_outcome(&describe(&user, format)) };
    let text = || {
        let username = &user.username;
        format!(
            "The password of {username} is void, {ended} sessions ended\n{}",
            code_text(settings, &code)
        )
    };
    let json = || {
        let user = with(object(&user), "sessions_ended", json!(ended));
        with(user, "code", json!(code.reveal()))
    };
    let remedy = "The password is void: run `users reset-password` again for a new code";
    print_secret(&format.one(text, json), remedy)
}

async fn change_claims(
    settings: &Settings,
    admin: &UserAdmin,
    direction: Change,
    names: ClaimNames,
    format: Format,
) -> Result<(), CommandError> {
    let ClaimNames { user, scopes, roles } = names;
    let claims = ClaimsChange { scopes, roles };
    let UserChanged { user, unchanged, .. } =
        admin.change_claims(&user, direction, &claims).await?;
    mark_claims_stale(settings, &admin.store, &[user.id.to_string()]).await;
    let ClaimsChange { scopes, roles } = &unchanged;
    let scopes = scopes.iter().map(|name| format!("scope {name}"));
    let unchanged: Vec<String> =
        scopes.chain(roles.iter().map(|name| format!("role {name}"))).collect();
    let text = || {
        let had = if direction == Change::Grant { "has already" } else { "does not have" };
        let line = |name: &String| format!("unchanged: {} {had} the {name}\n", user.username);
        text(&user) + &unchanged.iter().map(line).collect::<String>()
    };
    let json = || with(object(&user), "unchanged", json!(unchanged));
    print_outcome(&format.one(text, json))
}

async fn set_disabled(
    admin: &UserAdmin,
    user: &str,
    disabled: bool,
    format: Format,
) -> Result<(), CommandError> {
    let UserChanged { user, is_changed, .. } = admin.set_disabled(user, disabled).await?;
    let text = || {
        let state = if disabled { "disabled" } else { "enabled" };
        let username = &user.username;
        let note = format!("unchanged: {username} is {state} already\n");
        text(&user) + if is_changed { "" } else { &note }
    };
    let json = || with(object(&user), "changed", json!(is_changed));
    print_outcome(&format.one(text, json))
}
