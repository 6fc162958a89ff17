//! `auth-service users`: shows and changes users.

use clap::{Args, Subcommand};
use service_kit::CommandError;

use super::{scope_name, time, user_admin};
use crate::{
    accounts::{Change, ClaimsChange, User, UserAdmin},
    config::Settings,
};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Print a user's id, name, email address, scopes and roles
    Show(UserName),
    /// Grant scopes or roles to a user. Tokens have them from the next refresh on
    Grant(ClaimNames),
    /// Revoke scopes or roles of a user. Tokens lack them from the next refresh on
    Revoke(ClaimNames),
    /// Disable a user: end all sessions and refuse logins
    Disable(UserName),
    /// Enable a disabled user
    Enable(UserName),
    /// Delete a user and end all sessions
    Delete(UserName),
}

#[derive(Args, Debug)]
pub struct UserName {
    /// Username or email address
    user: String,
}

#[derive(Args, Debug)]
pub struct ClaimNames {
    /// Username or email address
    user: String,
    /// Scope, such as reports:read
    #[arg(long = "scope", value_name = "NAME", value_parser = scope_name)]
    scopes: Vec<String>,
    /// Role, such as editor
    #[arg(long = "role", value_name = "NAME", value_parser = scope_name)]
    roles: Vec<String>,
}

pub async fn run(settings: &Settings, action: Action) -> Result<(), CommandError> {
    let admin = user_admin(settings).await?;
    let user = match action {
        Action::Show(UserName { user }) => admin.find(&user).await?,
        Action::Grant(names) => change_claims(&admin, Change::Grant, names).await?,
        Action::Revoke(names) => change_claims(&admin, Change::Revoke, names).await?,
        Action::Disable(UserName { user }) => admin.set_disabled(&user, true).await?,
        Action::Enable(UserName { user }) => admin.set_disabled(&user, false).await?,
        Action::Delete(UserName { user }) => {
            let deleted = admin.delete(&user).await?;
            println!("Deleted {} ({})", deleted.username, deleted.id);
            return Ok(());
        }
    };
    print(&user);
    Ok(())
}

async fn change_claims(
    admin: &UserAdmin,
    direction: Change,
    names: ClaimNames,
) -> Result<User, CommandError> {
    let ClaimNames { user, scopes, roles } = names;
    Ok(admin.change_claims(&user, direction, &ClaimsChange { scopes, roles }).await?)
}

fn print(user: &User) {
    let User { id, username, email, scope, roles, disabled_at_ms, .. } = user;
    println!(
        "id       {id}\nusername {username}\nemail    {email}\nscopes   {scope}\nroles    {roles}"
    );
    if let Some(since) = disabled_at_ms {
        println!("disabled since {}", time(*since));
    }
}
