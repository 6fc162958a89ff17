//! Compares the grants of the file with the scopes and roles of users.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{difference::Difference, document::GrantEntry, error::ApplyError, plan::Plan};
use crate::{
    accounts::{AdminError, ClaimsChange, ClaimsEdit, User, UserAdmin, UserFilter},
    domain::admin_role::ADMIN,
    store::users,
};

/// Maximum number of users who lose scopes or roles because the file does not name them. A service
/// in which more users have some does not keep its grants in a file.
const MAX_PRUNED_USERS: usize = 1000;

/// Number of users that are read at a time.
const PAGE: usize = 500;

/// A user, and how the user's scopes and roles change.
type Edit = (User, ClaimsEdit);

/// Adds the changes of grants to a plan, in the order of usernames. With `prunes`, users lose the
/// scopes and roles that the file does not name.
///
/// # Errors
/// [`ApplyError`].
pub async fn compare(
    admin: &UserAdmin,
    entries: &[GrantEntry],
    prunes: bool,
    plan: &mut Plan,
) -> Result<(), ApplyError> {
    let named = find_users(admin, entries, plan).await?;
    let mut edits: Vec<Edit> = Vec::new();
    for (user, entry) in named.values() {
        let mut edit = ClaimsEdit { granted: entry.claims.missing(user), ..ClaimsEdit::default() };
        if prunes {
            edit.revoked = entry.claims.surplus(user);
        }
        match admin.edit_claims(user, &edit) {
            Ok(_) => edits.push((user.clone(), edit)),
            Err(why) => plan.fault(entry.line, why.to_string()),
        }
    }
    // A faulty file changes nothing, so that the rest need not be read.
    if prunes && plan.faults.is_empty() {
        edits.extend(unnamed_users(admin, |id| named.contains_key(id)).await?);
    }
    edits.retain(|(_, edit)| !edit.is_empty());
    edits.sort_by(|(one, _), (other, _)| one.username.cmp(&other.username));
    for (user, edit) in edits {
        let change = admin.edit_claims(&user, &edit)?;
        if has_admin(&edit.revoked) {
            plan.former_admins.push(user.id);
        }
        plan.has_new_admin |= has_admin(&edit.granted) && user.disabled_at_ms.is_none();
        let User { id, username, .. } = user;
        plan.change(Difference::ClaimsChanged { user_id: id, username, edit }, change);
    }
    Ok(())
}

/// Finds the users that the file names. Two names of one user are a fault, and so is an email
/// address that its user has not verified: another person than its owner may have registered it.
async fn find_users<'a>(
    admin: &UserAdmin,
    entries: &'a [GrantEntry],
    plan: &mut Plan,
) -> Result<BTreeMap<Uuid, (User, &'a GrantEntry)>, AdminError> {
    let mut named: BTreeMap<Uuid, (User, &GrantEntry)> = BTreeMap::new();
    for entry in entries {
        let user = match admin.find(&entry.user).await {
            Ok(user) => user,
            Err(why @ (AdminError::UnknownUser(_) | AdminError::Ambiguous(_))) => {
                plan.fault(entry.line, why.to_string());
                continue;
            }
            Err(why) => return Err(why),
        };
        if let Some((_, first)) = named.get(&user.id) {
            let (user, line) = (&user.username, first.line);
            plan.fault(entry.line, format!("the user {user} is in line {line} already"));
            continue;
        }
        if entry.user.contains('@') && !is_verified(admin, &user).await? {
            let text = format!(
                "the address {} is not verified, and any visitor may have registered it: name the \
                 user by id, which `auth-service users show` prints, or verify the address",
                entry.user
            );
            plan.fault(entry.line, text);
            continue;
        }
        named.insert(user.id, (user, entry));
    }
    Ok(named)
}

/// Returns whether the user has proved to read the mail of the address with which the user was
/// found.
async fn is_verified(admin: &UserAdmin, user: &User) -> Result<bool, AdminError> {
    let (id, email) = (user.id.to_string(), user.email.clone());
    let read = move |connection: &mut _| {
        let is_verified = users::mail_state(connection, &id)?.is_verified;
        // Read last: the address that is verified is still the one of the file.
        let now = users::find(connection, &id)?;
        Ok(is_verified && now.is_some_and(|now| now.email == email))
    };
    Ok(admin.store.run(read).await?)
}

/// Returns the edits that take all scopes and roles from the users whom the file does not name.
async fn unnamed_users(
    admin: &UserAdmin,
    is_named: impl Fn(&Uuid) -> bool,
) -> Result<Vec<Edit>, ApplyError> {
    let mut edits: Vec<Edit> = Vec::new();
    let mut after = None;
    loop {
        let page = admin.with_claims(after, PAGE as i64).await?;
        let is_last_page = page.len() < PAGE;
        after = page.last().map(|user| user.id);
        for user in page.into_iter().filter(|user| !is_named(&user.id)) {
            let revoked = ClaimsChange::default().surplus(&user);
            edits.push((user, ClaimsEdit { revoked, ..ClaimsEdit::default() }));
        }
        if edits.len() > MAX_PRUNED_USERS {
            return Err(ApplyError::TooManyPruned(MAX_PRUNED_USERS));
        }
        if is_last_page {
            return Ok(edits);
        }
    }
}

fn has_admin(names: &ClaimsChange) -> bool {
    names.roles.iter().any(|role| role == ADMIN)
}

/// Returns the usernames of the enabled administrators, if a plan takes the role from all of them
/// and gives it to no one. Otherwise an empty list.
///
/// # Errors
/// If the database does not answer.
pub async fn last_admins(admin: &UserAdmin, plan: &Plan) -> Result<Vec<String>, AdminError> {
    let former = &plan.former_admins;
    if former.is_empty() || plan.has_new_admin {
        return Ok(Vec::new());
    }
    let filter =
        UserFilter { role: Some(ADMIN.into()), is_disabled: Some(false), ..UserFilter::default() };
    // With one more than lose the role, at least one in the list keeps it.
    let admins = admin.list(filter, None, former.len() as i64 + 1).await?;
    if admins.iter().all(|user| former.contains(&user.id)) {
        Ok(admins.into_iter().map(|user| user.username).collect())
    } else {
        Ok(Vec::new())
    }
}
