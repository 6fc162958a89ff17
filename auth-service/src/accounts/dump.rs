//! An operator exports users, in the form in which `accounts/import` reads them.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::admin::{AdminError, UserAdmin};
use crate::{
    domain::{
        audit::{AuditEvent, AuditRecord},
        csv_cell,
    },
    store::import::{self, ExportedUser},
};

/// Number of users that are read at a time.
const PAGE: i64 = 1000;

/// Format of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpFormat {
    /// A JSON object on each line.
    JsonLines,
    /// Comma-separated values with a header (RFC 4180).
    Csv,
}

/// The fields of a user, in the order in which a CSV file has them.
const FIELDS: [&str; 10] = [
    "id",
    "external_id",
    "username",
    "email",
    "email_verified_at",
    "language",
    "scopes",
    "roles",
    "created_at",
    "disabled_since",
];

/// An export that is read page by page, so that it never holds all users in memory.
pub struct UserDump<'a> {
    admin: &'a UserAdmin,
    format: DumpFormat,
    has_hashes: bool,
    after: Option<String>,
}

impl UserAdmin {
    /// Begins an export of all users, which the audit trail records. Password hashes are left out
    /// unless `has_hashes`.
    ///
    /// # Errors
    /// If the database does not take the record.
    pub async fn dump(
        &self,
        format: DumpFormat,
        has_hashes: bool,
    ) -> Result<UserDump<'_>, AdminError> {
        let now = self.clock.now_ms();
        let record = AuditRecord::new(AuditEvent::UsersExported, self.initiator.clone(), now);
        let detail = if has_hashes { "with password hashes" } else { "without password hashes" };
        let record = record.detail(detail);
        self.store.audited_if(record, |_| Ok(true)).await?;
        Ok(UserDump { admin: self, format, has_hashes, after: None })
    }
}

impl UserDump<'_> {
    /// Returns the next part of the file, `None` after the last one.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn next(&mut self) -> Result<Option<String>, AdminError> {
        let after = self.after.clone();
        let is_first = after.is_none();
        let after = after.unwrap_or_default();
        let read = move |connection: &mut _| import::export(connection, &after, PAGE);
        let users = self.admin.store.run(read).await?;
        self.after = Some(users.last().map(|user| user.id.clone()).unwrap_or_default());
        let mut text = String::new();
        if is_first && self.format == DumpFormat::Csv {
            text += &self.header();
        }
        if users.is_empty() {
            return Ok(Some(text).filter(|text| !text.is_empty()));
        }
        users.iter().for_each(|user| text += &self.row(user));
        Ok(Some(text))
    }

    fn header(&self) -> String {
        let password = if self.has_hashes { ",password" } else { "" };
        format!("{}{password}\n", FIELDS.join(","))
    }

    fn row(&self, user: &ExportedUser) -> String {
        let members = self.members(user);
        match self.format {
            DumpFormat::JsonLines => format!("{}\n", Value::from_iter(members)),
            DumpFormat::Csv => {
                let cells = members.iter().map(|(_, value)| csv_cell::escape(&cell(value)));
                format!("{}\n", cells.collect::<Vec<_>>().join(","))
            }
        }
    }

    fn members(&self, user: &ExportedUser) -> Vec<(&'static str, Value)> {
        let words = |text: &str| {
            let mut words: Vec<_> = text.split_whitespace().collect();
            words.sort_unstable();
            json!(words)
        };
        let values = [
            json!(user.id),
            json!(user.external_id),
            json!(user.username),
            json!(user.email),
            json!(user.email_verified_at.map(time)),
            json!(user.language),
            words(&user.scope),
            words(&user.roles),
            json!(time(user.created_at)),
            json!(user.disabled_at.map(time)),
        ];
        let mut members: Vec<_> = FIELDS.into_iter().zip(values).collect();
        if self.has_hashes {
            let hash = user.password_hash.as_ref().map_or("!", |hash| hash.as_str());
            members.push(("password", json!(hash)));
        }
        members
    }
}

/// Returns a value as text: a list with spaces between its elements.
fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(elements) => {
            elements.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ")
        }
        _ => String::new(),
    }
}

/// Returns a time (RFC 3339, UTC), to the millisecond.
fn time(ms: i64) -> String {
    Timestamp::from_millisecond(ms).map_or_else(|_| String::new(), |time| time.to_string())
}
