//! Compares the rows of a batch with stored users.

use std::{
    collections::{HashMap, HashSet, hash_map::RandomState},
    hash::BuildHasher,
};

use super::names::is_variant;
use crate::store::import::{ImportedUser, StoredNames};

/// How a row that cannot be inserted relates to other users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Relation {
    /// The user of the row exists.
    Same,
    /// Another user has the address.
    HasAddress,
    /// Another user has the name, perhaps in another spelling.
    HasName { other: String },
    /// No user has one of the names.
    Unrelated,
}

/// Stored users, by each of their names.
pub struct StoredUsers {
    users: Vec<StoredNames>,
    by_id: HashMap<String, usize>,
    by_name: HashMap<String, usize>,
    by_address: HashMap<String, usize>,
}

impl StoredUsers {
    pub fn new(users: Vec<StoredNames>) -> Self {
        let mut by_id = HashMap::new();
        let mut by_name = HashMap::new();
        let mut by_address = HashMap::new();
        for (number, user) in users.iter().enumerate() {
            by_id.extend(user.external_id.clone().map(|id| (id, number)));
            by_name.insert(user.username_key.clone(), number);
            by_name.extend(user.folded_username.clone().map(|name| (name, number)));
            by_address.insert(user.email_key.clone(), number);
            by_address.extend(user.folded_email.clone().map(|address| (address, number)));
        }
        Self { users, by_id, by_name, by_address }
    }

    fn with_id(&self, user: &ImportedUser) -> Option<&StoredNames> {
        let id = user.external_id.as_ref()?;
        self.by_id.get(id).map(|number| &self.users[*number])
    }

    fn with_name(&self, user: &ImportedUser) -> Option<&StoredNames> {
        let keys = &user.username_keys;
        let found = self.by_name.get(&keys.folded).or_else(|| self.by_name.get(&keys.key));
        found.map(|number| &self.users[*number])
    }

    fn with_address(&self, user: &ImportedUser) -> Option<&StoredNames> {
        let keys = &user.email_keys;
        let found = self.by_address.get(&keys.folded).or_else(|| self.by_address.get(&keys.key));
        found.map(|number| &self.users[*number])
    }

    /// Returns how a row relates to these users. A user is recognised by the external id, or else by
    /// the name and the address. With `folded_base`, the name of the row may have got a number in
    /// an earlier import.
    pub fn relation(&self, user: &ImportedUser, folded_base: Option<&str>) -> Relation {
        if self.with_id(user).is_some() {
            return Relation::Same;
        }
        let may_be_same = |stored: &StoredNames| {
            stored.external_id.is_none()
                || user.external_id.is_none()
                || stored.external_id == user.external_id
        };
        let is_named = |stored: &StoredNames| {
            let folded = stored.folded_username.as_deref().unwrap_or(&stored.username_key);
            folded == user.username_keys.folded
                || stored.username_key == user.username_keys.key
                || folded_base.is_some_and(|base| is_variant(folded, base))
        };
        match (self.with_address(user), self.with_name(user)) {
            (Some(stored), _) if may_be_same(stored) && is_named(stored) => Relation::Same,
            (Some(_), _) => Relation::HasAddress,
            (None, Some(stored)) => Relation::HasName { other: stored.username.clone() },
            (None, None) => Relation::Unrelated,
        }
    }
}

/// The rows that a dry run would have inserted, as fingerprints: a few bytes for each row.
#[derive(Default)]
pub struct SeenRows {
    hasher: RandomState,
    ids: HashSet<u64>,
    names: HashSet<u64>,
    addresses: HashSet<u64>,
}

impl SeenRows {
    /// Returns how a row relates to the rows before it.
    pub fn relation(&self, user: &ImportedUser) -> Relation {
        let has = |seen: &HashSet<u64>, text: &str| seen.contains(&self.hasher.hash_one(text));
        if user.external_id.as_ref().is_some_and(|id| has(&self.ids, id)) {
            return Relation::Same;
        }
        let has_name = has(&self.names, &user.username_keys.folded);
        let has_address = has(&self.addresses, &user.email_keys.folded);
        match (has_name, has_address) {
            (true, true) if user.external_id.is_none() => Relation::Same,
            (_, true) => Relation::HasAddress,
            (true, false) => Relation::HasName { other: user.username.as_str().to_owned() },
            (false, false) => Relation::Unrelated,
        }
    }

    /// Adds a row.
    pub fn add(&mut self, user: &ImportedUser) {
        let hash = |text: &str| self.hasher.hash_one(text);
        self.ids.extend(user.external_id.as_deref().map(hash));
        self.names.insert(hash(&user.username_keys.folded));
        self.addresses.insert(hash(&user.email_keys.folded));
    }
}
