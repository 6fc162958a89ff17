//! Names of the fields of a row, which differ between systems.

use super::json::{Json, Members};

/// A field of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Username,
    Email,
    Password,
    ExternalId,
    CreatedAt,
    IsActive,
    DisabledSince,
    Language,
    Scopes,
    Roles,
    Groups,
    Permissions,
}

/// How a file has the fields of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// The row has the fields, such as a row that `users export` wrote.
    Row,
    /// An object of Django's `dumpdata`. Its fields are those of the project's model: a field such
    /// as `roles` need not mean what it means here.
    Dumpdata,
}

impl Field {
    /// Each field with its name in options, and the names that files usually have for it. The first
    /// of them that a row has counts.
    const ALL: [(Self, &'static str, &'static [&'static str]); 12] = [
        (Self::Username, "username", &["username"]),
        (Self::Email, "email", &["email"]),
        (Self::Password, "password", &["password", "password_hash"]),
        (Self::ExternalId, "external_id", &["external_id", "pk", "id"]),
        (Self::CreatedAt, "created_at", &["created_at", "date_joined"]),
        (Self::IsActive, "is_active", &["is_active"]),
        (Self::DisabledSince, "disabled_since", &["disabled_since"]),
        (Self::Language, "language", &["language"]),
        (Self::Scopes, "scopes", &["scopes"]),
        (Self::Roles, "roles", &["roles"]),
        (Self::Groups, "groups", &["groups"]),
        (Self::Permissions, "permissions", &["permissions", "user_permissions"]),
    ];
}

/// Names of the fields in a file.
#[derive(Clone, Debug, Default)]
pub struct FieldMap {
    /// Fields that have another name than usual.
    others: Vec<(Field, String)>,
}

impl FieldMap {
    /// Sets the name of a field in the file, from `FIELD=NAME`.
    ///
    /// # Errors
    /// The message for the operator.
    pub fn set(&mut self, assignment: &str) -> Result<(), String> {
        let (field, name) = assignment.split_once('=').unwrap_or((assignment, ""));
        if name.is_empty() {
            return Err(format!("{assignment}: must be FIELD=NAME, such as username=login"));
        }
        let known = Field::ALL.iter().find(|known| known.1 == field);
        let Some((field, ..)) = known else {
            let names = Field::ALL.map(|known| known.1).join(", ");
            return Err(format!("{field}: there is no such field. The fields are {names}"));
        };
        self.others.retain(|other| other.0 != *field);
        self.others.push((*field, name.to_owned()));
        Ok(())
    }

    /// Returns the value of a field, unless it is missing or null. The external id of an object of
    /// `dumpdata` is its primary key, and such an object has scopes and roles only in fields that
    /// the operator named.
    pub fn get<'a>(&self, members: &'a Members, layout: Layout, field: Field) -> Option<&'a Json> {
        let value = |name: &str| members.get(name).filter(|value| **value != Json::Null);
        if let Some((_, name)) = self.others.iter().find(|other| other.0 == field) {
            return value(name);
        }
        match (layout, field) {
            (Layout::Dumpdata, Field::ExternalId) => return value("pk"),
            (Layout::Dumpdata, Field::Scopes | Field::Roles) => return None,
            _ => {}
        }
        let (.., names) = Field::ALL.iter().find(|known| known.0 == field)?;
        names.iter().find_map(|name| value(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn object_of_dumpdata_has_claims_and_another_id_only_in_named_fields() {
        let text = |text: &str| Json::Text(text.to_owned());
        let members = ["pk", "id", "external_id", "roles", "scopes", "username"];
        let members: Members = members.map(|name| (name.to_owned(), text(name))).into();
        let mut fields = FieldMap::default();
        let id = text("external_id");
        assert_eq!(fields.get(&members, Layout::Row, Field::ExternalId), Some(&id));
        assert_eq!(fields.get(&members, Layout::Row, Field::Roles), Some(&text("roles")));
        for (field, expected) in [
            (Field::Username, Some(text("username"))),
            (Field::ExternalId, Some(text("pk"))),
            (Field::Roles, None),
            (Field::Scopes, None),
        ] {
            let found = fields.get(&members, Layout::Dumpdata, field);
            assert_eq!(found, expected.as_ref(), "{field:?}");
        }
        for (field, name) in
            [(Field::ExternalId, "external_id"), (Field::Roles, "roles"), (Field::Scopes, "scopes")]
        {
            fields.set(&format!("{name}={name}")).unwrap();
            let found = fields.get(&members, Layout::Dumpdata, field);
            assert_eq!(found, Some(&text(name)), "{field:?}");
        }
    }
}
