//! `auth-service users list`.

use clap::{Args, value_parser};
use service_kit::{CommandError, output::print};
use uuid::Uuid;

use super::print::details_object;
use crate::{
    accounts::{User, UserAdmin, UserDetails, UserFilter},
    cli::{
        audit::since,
        format::Format,
        text::{scope_name, time},
    },
};

#[derive(Args, Debug)]
pub struct List {
    /// Only users whose username or email address contains this text
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
    /// Only users with this role
    #[arg(long, value_name = "NAME", value_parser = scope_name)]
    role: Option<String>,
    /// Only users with this scope
    #[arg(long, value_name = "NAME", value_parser = scope_name)]
    scope: Option<String>,
    /// Only disabled users
    #[arg(long, conflicts_with = "enabled")]
    disabled: bool,
    /// Only users who are not disabled
    #[arg(long)]
    enabled: bool,
    /// Only users who have not verified the email address
    #[arg(long, conflicts_with = "verified")]
    unverified: bool,
    /// Only users who have verified the email address
    #[arg(long)]
    verified: bool,
    /// Only users who were created since this time (2026-11-24T08:00:00Z) or within this duration
    /// (90m, 24h, 7d)
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<i64>,
    /// Maximum number of users
    #[arg(
        long,
        value_name = "COUNT",
        default_value = "100",
        value_parser = value_parser!(u32).range(1..=10_000)
    )]
    limit: u32,
    /// Continue after the user of this id, the last one of the page before
    #[arg(long, value_name = "ID")]
    after: Option<Uuid>,
}

pub async fn run(admin: &UserAdmin, list: List, format: Format) -> Result<(), CommandError> {
    let List { name, role, scope, disabled, enabled, unverified, verified, since, limit, after } =
        list;
    let is_disabled = (disabled || enabled).then_some(disabled);
    let is_verified = (unverified || verified).then_some(verified);
    let start = None;
    let filter = UserFilter { name, start, role, scope, is_disabled, is_verified, since_ms: since };
    // One more, to learn whether there is another page.
    let mut users = admin.list(filter, after, i64::from(limit) + 1).await?;
    let has_more = users.len() > limit as usize;
    users.truncate(limit as usize);
    let more = users.last().filter(|_| has_more).map(|last| last.id);
    let users = admin.details(users).await?;
    print(&format.list(&users, || table(&users, more), details_object))
}

fn table(users: &[UserDetails], more: Option<Uuid>) -> String {
    let mut table = format!(
        "{:36}  {:24}  {:32}  {:20}  {:20}  {:20}  ROLES\n",
        "ID", "USERNAME", "EMAIL", "EMAIL VERIFIED AT", "DISABLED SINCE", "TO BE DELETED AT"
    );
    for UserDetails { user, state } in users {
        let User { id, username, email, roles, .. } = user;
        let time = |at: Option<i64>| at.map_or_else(String::new, time);
        let verified = time(state.email_verified_at_ms);
        let disabled = time(user.disabled_at_ms);
        let deleted = time(state.delete_at_ms);
        table += &format!(
            "{id}  {username:24}  {email:32}  {verified:20}  {disabled:20}  {deleted:20}  {roles}\n"
        );
    }
    if let Some(last) = more {
        table += &format!("more: --after {last}\n");
    }
    table
}
