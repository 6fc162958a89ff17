//! `auth-service users`: show a user, or change what a user may do.

use clap::{Args, Subcommand};
use service_kit::CommandError;
use shared::clock::Clock;

use super::{MAX_SCOPE_BYTES, scope_name, time};
use crate::{
    app::open_store_patiently,
    config::Settings,
    domain::{
        audit::{AuditEvent, AuditRecord, Initiator},
        session::EndCause,
    },
    store::{
        Store, StoreError, sessions,
        users::{self, LoginKey, User},
    },
};

#[derive(Debug, Subcommand)]
pub enum Action {
    /// Print a user's id, names, scopes and roles
    Show {
        /// The username or email
        user: String,
    },
    /// Give a user scopes or roles. Tokens say so from their next refresh on
    Grant(Change),
    /// Take scopes or roles from a user. Tokens say so from their next refresh on
    Revoke(Change),
    /// Let a user log in no more, and end all sessions
    Disable {
        /// The username or email
        user: String,
    },
    /// Let a user who was disabled log in again
    Enable {
        /// The username or email
        user: String,
    },
    /// Delete a user, and end all sessions
    Delete {
        /// The username or email
        user: String,
    },
}

#[derive(Args, Debug)]
pub struct Change {
    /// The username or email
    user: String,
    /// A scope, such as reports:read
    #[arg(long = "scope", value_name = "NAME", value_parser = scope_name)]
    scopes: Vec<String>,
    /// A role, such as editor
    #[arg(long = "role", value_name = "NAME", value_parser = scope_name)]
    roles: Vec<String>,
}

pub async fn run(settings: &Settings, action: Action) -> Result<(), CommandError> {
    let store = open_store_patiently(settings)?;
    store.migrate().await.map_err(unavailable)?;
    let user = match action {
        Action::Show { user } => find(&store, &user).await?,
        Action::Grant(change) => alter(&store, change, "granted", with).await?,
        Action::Revoke(change) => alter(&store, change, "revoked", without).await?,
        Action::Disable { user } => set_disabled(&store, &user, true).await?,
        Action::Enable { user } => set_disabled(&store, &user, false).await?,
        Action::Delete { user } => {
            let found = find(&store, &user).await?;
            let (id, now) = (found.id.to_string(), Clock::system().now_ms());
            let record =
                AuditRecord::new(AuditEvent::Ended(EndCause::UserDeleted), Initiator::operator(), now)
                    .user(&id);
            let delete = move |connection: &mut _| {
                let ended = users::delete(connection, &id, now)?;
                Ok(((), Some(record.detail(sessions::count(&ended)))))
            };
            store.audited(delete).await.map_err(unavailable)?;
            println!("Deleted {} ({})", found.username, found.id);
            return Ok(());
        }
    };
    let User { id, username, email, scope, roles, disabled_at_ms, .. } = user;
    println!("id       {id}\nusername {username}\nemail    {email}\nscopes   {scope}\nroles    {roles}");
    if let Some(since) = disabled_at_ms {
        println!("disabled since {}", time(since));
    }
    Ok(())
}

pub async fn find(store: &Store, name: &str) -> Result<User, CommandError> {
    let nobody = || CommandError::new(format!("there is no user {name}"));
    let key = LoginKey::parse(name).ok_or_else(nobody)?;
    let found = store.run(move |connection| users::find_by_login(connection, &key)).await;
    found.map_err(unavailable)?.ok_or_else(nobody)
}

async fn set_disabled(store: &Store, name: &str, disabled: bool) -> Result<User, CommandError> {
    let (id, now) = (find(store, name).await?.id.to_string(), Clock::system().now_ms());
    let event = if disabled { AuditEvent::Ended(EndCause::UserDisabled) } else { AuditEvent::UserEnabled };
    let record = AuditRecord::new(event, Initiator::operator(), now).user(&id);
    let set = move |connection: &mut _| {
        let ended = users::set_disabled(connection, &id, disabled, now)?;
        Ok(((), Some(if disabled { record.detail(sessions::count(&ended)) } else { record })))
    };
    store.audited(set).await.map_err(unavailable)?;
    find(store, name).await
}

async fn alter(
    store: &Store,
    change: Change,
    verb: &str,
    apply: fn(&str, &[String]) -> String,
) -> Result<User, CommandError> {
    let Change { user: name, scopes, roles } = change;
    if scopes.is_empty() && roles.is_empty() {
        return Err(CommandError::new("say which: --scope NAME or --role NAME"));
    }
    let scope_names = scopes.iter().map(|name| format!(" scope {name}"));
    let detail: String = scope_names.chain(roles.iter().map(|name| format!(" role {name}"))).collect();
    loop {
        let user = find(store, &name).await?;
        let (scope, roles) = (apply(&user.scope, &scopes), apply(&user.roles, &roles));
        if scope.len() + roles.len() > MAX_SCOPE_BYTES {
            return Err(CommandError::new(format!(
                "{name} would have more than {MAX_SCOPE_BYTES} bytes of scopes and roles"
            )));
        }
        let now = Clock::system().now_ms();
        let record = AuditRecord::new(AuditEvent::ClaimsChange, Initiator::operator(), now).user(user.id);
        let record = record.detail(format!("{verb}{detail}"));
        let set = move |connection: &mut _| {
            let is_set = users::set_claims(connection, &user, &scope, &roles, now)?;
            Ok((is_set, is_set.then_some(record)))
        };
        // Somebody else may be changing the same user: then what they made of it is the start.
        if store.audited(set).await.map_err(unavailable)? {
            return find(store, &name).await;
        }
    }
}

fn with(held: &str, more: &[String]) -> String {
    let mut names: Vec<&str> = held.split_whitespace().collect();
    for name in more {
        if !names.contains(&name.as_str()) {
            names.push(name);
        }
    }
    names.join(" ")
}

fn without(held: &str, fewer: &[String]) -> String {
    let kept: Vec<&str> =
        held.split_whitespace().filter(|name| !fewer.iter().any(|gone| gone == name)).collect();
    kept.join(" ")
}

fn unavailable(why: StoreError) -> CommandError {
    CommandError::new(why.to_string())
}
