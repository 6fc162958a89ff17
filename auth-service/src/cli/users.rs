//! `auth-service users`: shows and changes users.

use clap::{Args, Subcommand};
use service_kit::CommandError;
use shared::clock::Clock;

use super::{open_migrated_store, scope_name, time};
use crate::{
    accounts::admin::{Change, ClaimsChange, UserAdmin},
    config::Settings,
    domain::audit::Initiator,
    store::{Store, users::User},
};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Print a user's id, names, scopes and roles
    Show(UserName),
    /// Grant scopes or roles to a user. Tokens carry them from their next refresh on
    Grant(ClaimNames),
    /// Revoke scopes or roles of a user. Tokens lack them from their next refresh on
    Revoke(ClaimNames),
    /// Disable a user: end all sessions and refuse logins
    Disable(UserName),
    /// Enable a user who was disabled
    Enable(UserName),
    /// Delete a user and end all sessions
    Delete(UserName),
}

#[derive(Args, Debug)]
pub struct UserName {
    /// The username or email address
    user: String,
}

#[derive(Args, Debug)]
pub struct ClaimNames {
    /// The username or email address
    user: String,
    /// A scope, such as reports:read
    #[arg(long = "scope", value_name = "NAME", value_parser = scope_name)]
    scopes: Vec<String>,
    /// A role, such as editor
    #[arg(long = "role", value_name = "NAME", value_parser = scope_name)]
    roles: Vec<String>,
}

pub async fn run(settings: &Settings, action: Action) -> Result<(), CommandError> {
    let admin = admin(open_migrated_store(settings).await?);
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

/// Returns the use cases of the operator on this command line.
pub fn admin(store: Store) -> UserAdmin {
    UserAdmin { store, clock: Clock::system(), initiator: Initiator::operator() }
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
    println!("id       {id}\nusername {username}\nemail    {email}\nscopes   {scope}\nroles    {roles}");
    if let Some(since) = disabled_at_ms {
        println!("disabled since {}", time(*since));
    }
}
