//! The reserved_names table: usernames that an operator reserved with a file.

use diesel::{
    dsl::{exists, select},
    prelude::*,
};

use super::{AnyConnection, schema::reserved_names, transaction::insert_unless_exists};
use crate::domain::{name_rules::appearance, username::Username};

/// A reserved name.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct ReservedName {
    pub name: String,
    /// What all names that look like this one share, as the version that reserved the name computed
    /// it.
    appearance: String,
}

impl ReservedName {
    /// Returns whether this is `name`, with the appearance that this version computes.
    pub fn is_current(&self, name: &Username) -> bool {
        self.name == name.as_str() && self.appearance == appearance(name.as_str())
    }
}

/// Returns all reserved names, in their order.
pub fn all(connection: &mut AnyConnection) -> QueryResult<Vec<ReservedName>> {
    reserved_names::table
        .select((reserved_names::name, reserved_names::appearance))
        .order(reserved_names::name)
        .load(connection)
}

/// Returns whether a name is reserved, or looks like a reserved name.
pub fn is_reserved(connection: &mut AnyConnection, name: &Username) -> QueryResult<bool> {
    let alike = reserved_names::appearance.eq(appearance(name.as_str()));
    select(exists(reserved_names::table.filter(alike))).get_result(connection)
}

/// Reserves a name. Returns whether it was not reserved, or had another appearance.
pub fn put(connection: &mut AnyConnection, name: &Username, now_ms: i64) -> QueryResult<bool> {
    let row = (
        reserved_names::name.eq(name.as_str()),
        reserved_names::appearance.eq(appearance(name.as_str())),
        reserved_names::created_at.eq(now_ms),
    );
    let other = reserved_names::table
        .find(name.as_str())
        .filter(reserved_names::appearance.ne(appearance(name.as_str())));
    diesel::delete(other).execute(connection)?;
    let insert = diesel::insert_into(reserved_names::table).values(row);
    insert_unless_exists(connection, |connection| insert.execute(connection))
}

/// Releases a name. Returns whether it was reserved.
pub fn delete(connection: &mut AnyConnection, name: &str) -> QueryResult<bool> {
    diesel::delete(reserved_names::table.find(name)).execute(connection).map(|count| count > 0)
}
