//! Objects of Django's `dumpdata`, and the groups and permissions that users refer to by number.

use std::collections::HashMap;

use super::{
    field_map::Layout,
    json::{Json, Members},
};

/// Maximum number of groups, of permissions and of content types that are kept.
const MAX_KEPT: usize = 100_000;

/// A row of a file of JSON.
pub enum Element {
    /// A user.
    User(Members, Layout),
    /// An object of another model, whose name is in lower case.
    Other(String),
}

/// The groups and permissions that a file has before its users.
#[derive(Default)]
pub struct GroupBook {
    groups: HashMap<String, Group>,
    permissions: HashMap<String, Permission>,
    /// The app of each content type.
    apps: HashMap<String, String>,
}

struct Group {
    name: String,
    permissions: Vec<Json>,
}

struct Permission {
    codename: String,
    content_type: Json,
}

/// A group or permission of a user.
#[derive(Debug, PartialEq, Eq)]
pub enum Held {
    Group(String),
    /// Such as `blog.add_post`.
    Permission(String),
}

impl GroupBook {
    /// Returns the user of a row. Keeps an object that users refer to.
    pub fn read(&mut self, mut members: Members, user_model: &str) -> Element {
        let (Some(Json::Text(model)), Some(Json::Object(_))) =
            (members.get("model"), members.get("fields"))
        else {
            return Element::User(members, Layout::Row);
        };
        let model = model.to_lowercase();
        let pk = members.remove("pk").unwrap_or(Json::Null);
        let Some(Json::Object(mut fields)) = members.remove("fields") else {
            return Element::Other(model);
        };
        if model == user_model {
            // Django allows no field with the name.
            fields.insert("pk".into(), pk);
            return Element::User(fields, Layout::Dumpdata);
        }
        self.keep(&model, &pk, fields);
        Element::Other(model)
    }

    fn keep(&mut self, model: &str, pk: &Json, mut fields: Members) {
        let Some(pk) = key(pk) else { return };
        let mut text = |name: &str| match fields.remove(name) {
            Some(Json::Text(text)) => text,
            _ => String::new(),
        };
        match model {
            "auth.group" if self.groups.len() < MAX_KEPT => {
                let name = text("name");
                let permissions = match fields.remove("permissions") {
                    Some(Json::Array(permissions)) => permissions,
                    _ => Vec::new(),
                };
                self.groups.insert(pk, Group { name, permissions });
            }
            "auth.permission" if self.permissions.len() < MAX_KEPT => {
                let codename = text("codename");
                let content_type = fields.remove("content_type").unwrap_or(Json::Null);
                self.permissions.insert(pk, Permission { codename, content_type });
            }
            "contenttypes.contenttype" if self.apps.len() < MAX_KEPT => {
                let app = text("app_label");
                self.apps.insert(pk, app);
            }
            _ => {}
        }
    }

    /// Returns a group of a user and the permissions of the group. `value` is a name, a natural key
    /// (`--natural-foreign`) or a number.
    ///
    /// # Errors
    /// The reason for which the row is refused.
    pub fn group(&self, value: &Json) -> Result<Vec<Held>, String> {
        let by_number = key(value).and_then(|key| self.groups.get(&key));
        match (value, by_number) {
            (_, Some(Group { name, permissions })) => {
                let permissions = permissions.iter().map(|value| self.permission(value));
                std::iter::once(Ok(Held::Group(name.clone()))).chain(permissions).collect()
            }
            (Json::Text(name), None) => Ok(vec![Held::Group(name.clone())]),
            (Json::Array(parts), None) => match parts.as_slice() {
                [Json::Text(name)] => {
                    let by_name = self.groups.values().find(|group| group.name == *name);
                    let permissions = by_name.map_or(&[][..], |group| &group.permissions);
                    let permissions = permissions.iter().map(|value| self.permission(value));
                    std::iter::once(Ok(Held::Group(name.clone()))).chain(permissions).collect()
                }
                _ => Err("a group is neither a name nor a number".into()),
            },
            (Json::Number(number), None) => Err(not_in_file("group", number)),
            _ => Err("a group is neither a name nor a number".into()),
        }
    }

    /// Returns a permission of a user or of a group, as [`GroupBook::group`] does.
    ///
    /// # Errors
    /// The reason for which the row is refused.
    pub fn permission(&self, value: &Json) -> Result<Held, String> {
        match value {
            Json::Text(name) => Ok(Held::Permission(name.clone())),
            Json::Array(parts) => match parts.as_slice() {
                [Json::Text(codename), Json::Text(app), ..] => {
                    Ok(Held::Permission(format!("{app}.{codename}")))
                }
                _ => Err("a permission is neither a name nor a number".into()),
            },
            Json::Number(number) => {
                let permission = self.permissions.get(number);
                let permission = permission.ok_or_else(|| not_in_file("permission", number))?;
                let app = match &permission.content_type {
                    Json::Array(parts) => match parts.first() {
                        Some(Json::Text(app)) => Some(app),
                        _ => None,
                    },
                    number => key(number).and_then(|key| self.apps.get(&key)),
                };
                let app = app.ok_or_else(|| not_in_file("content type of permission", number))?;
                Ok(Held::Permission(format!("{app}.{}", permission.codename)))
            }
            _ => Err("a permission is neither a name nor a number".into()),
        }
    }
}

/// Returns the primary key of an object as text.
fn key(pk: &Json) -> Option<String> {
    match pk {
        Json::Number(text) | Json::Text(text) => Some(text.clone()),
        _ => None,
    }
}

fn not_in_file(what: &str, number: &str) -> String {
    format!(
        "the {what} {number} is not in the file before its users: write it with `dumpdata \
         --natural-foreign`"
    )
}
