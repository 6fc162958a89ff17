//! Compares the reserved names of the file with those of the database.

use std::collections::BTreeMap;

use super::{difference::Difference, plan::Plan};
use crate::{
    accounts::{AdminError, UserAdmin},
    domain::username::Username,
};

/// Adds the changes of reserved names to a plan, in their order. With `prunes`, names that the file
/// does not have are released.
///
/// # Errors
/// If the database does not answer.
pub async fn compare(
    admin: &UserAdmin,
    names: &[Username],
    prunes: bool,
    plan: &mut Plan,
) -> Result<(), AdminError> {
    let reserved = admin.reserved_names().await?;
    let named: BTreeMap<&str, &Username> = names.iter().map(|name| (name.as_str(), name)).collect();
    for (text, name) in &named {
        if !reserved.iter().any(|reserved| reserved.is_current(name)) {
            let difference = Difference::NameReserved((*text).to_owned());
            plan.change(difference, admin.reservation(name));
        }
    }
    let unnamed = reserved.into_iter().filter(|name| !named.contains_key(name.name.as_str()));
    for reserved in unnamed.filter(|_| prunes) {
        let change = admin.release(&reserved);
        plan.change(Difference::NameReleased(reserved.name), change);
    }
    Ok(())
}
