//! Scopes and roles for the groups, permissions and flags of another system, from a file (TOML).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::domain::scope;

/// Scopes and roles for groups, permissions and flags of another system.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClaimsMap {
    groups: BTreeMap<String, Claims>,
    permissions: BTreeMap<String, Claims>,
    /// Boolean fields, such as `is_staff`.
    flags: BTreeMap<String, Claims>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Claims {
    scopes: Vec<String>,
    roles: Vec<String>,
}

/// The scopes and roles of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantedNames {
    pub scopes: BTreeSet<String>,
    pub roles: BTreeSet<String>,
}

impl GrantedNames {
    fn add(&mut self, claims: &Claims) {
        self.scopes.extend(claims.scopes.iter().cloned());
        self.roles.extend(claims.roles.iter().cloned());
    }
}

impl ClaimsMap {
    /// Parses a file.
    ///
    /// # Errors
    /// The message for the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let map: Self = toml::from_str(text).map_err(|why| why.to_string())?;
        let all = [&map.groups, &map.permissions, &map.flags].into_iter().flatten();
        for (of, Claims { scopes, roles }) in all {
            if let Some(name) =
                scopes.iter().chain(roles).find(|name| scope::parse_name(name).is_err())
            {
                return Err(format!("{of}: {name:?} cannot be the name of a scope or role"));
            }
        }
        Ok(map)
    }

    /// Adds the claims of a group. Returns whether the map has the group.
    pub fn add_group(&self, name: &str, granted: &mut GrantedNames) -> bool {
        self.groups.get(name).map(|claims| granted.add(claims)).is_some()
    }

    /// Adds the claims of a permission. Returns whether the map has the permission.
    pub fn add_permission(&self, name: &str, granted: &mut GrantedNames) -> bool {
        self.permissions.get(name).map(|claims| granted.add(claims)).is_some()
    }

    /// Adds the claims of the flags that `is_set` returns `true` for.
    pub fn add_flags(&self, is_set: impl Fn(&str) -> bool, granted: &mut GrantedNames) {
        self.flags
            .iter()
            .filter(|(name, _)| is_set(name))
            .for_each(|(_, claims)| granted.add(claims));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_with_a_wrong_name_is_refused() {
        for (text, reason) in [
            ("[group]\n", "unknown field `group`"),
            ("[groups]\na = {role = []}", "unknown field `role`"),
            ("[groups]\na = {roles = [\"two words\"]}", "cannot be the name"),
            ("[groups", "unclosed table"),
        ] {
            let why = ClaimsMap::parse(text).unwrap_err();
            assert!(why.contains(reason), "{text}: {why}");
        }
    }
}
