//! Makes users of rows.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use uuid::Uuid;

use super::{
    claims_map::GrantedNames,
    django::{GroupBook, Held},
    field_map::{Field, Layout},
    json::{Json, Members},
    names::nearest,
    types::{ImportOptions, OnConflict, RefusedRow, VerifiedEmails},
};
use crate::{
    accounts::admin::MAX_CLAIMS_BYTES,
    credentials::{ImportedHash, ResetReason},
    domain::{email::Email, language::Language, name_rules::NameRules, scope, username::Username},
    store::import::ImportedUser,
};

/// Maximum number of characters of an external id, and of a name that a report repeats.
const MAX_TEXT: usize = 200;

/// A row of a file that is or should be a user.
#[derive(Clone, Copy)]
pub struct RawRow<'a> {
    /// Line of the file at which the row begins.
    pub line: u64,
    pub members: &'a Members,
    pub layout: Layout,
}

/// A user of a file.
#[derive(Clone, Debug)]
pub struct ImportRow {
    /// Line of the file at which the row begins.
    pub line: u64,
    /// The username in the file.
    pub wanted_name: String,
    pub user: ImportedUser,
    /// Why the user must set a new password, if so.
    pub reset: Option<ResetReason>,
}

impl ImportRow {
    /// Returns the refusal of the row because of its name or address.
    pub fn conflict(&self, reason: String) -> RefusedRow {
        RefusedRow {
            line: self.line,
            username: Some(self.wanted_name.clone()),
            external_id: self.user.external_id.clone(),
            reason,
            is_conflict: true,
        }
    }
}

/// Why a row is refused.
struct Reason {
    text: String,
    is_conflict: bool,
}

impl From<String> for Reason {
    fn from(text: String) -> Self {
        Self { text, is_conflict: false }
    }
}

fn conflict(text: impl Into<String>) -> Reason {
    Reason { text: text.into(), is_conflict: true }
}

/// Makes users of rows.
pub struct RowParser<'a> {
    pub options: &'a ImportOptions,
    pub names: &'a NameRules,
    pub now_ms: i64,
}

impl RowParser<'_> {
    /// Returns the user of a row. Lists groups and permissions without an entry in the map in
    /// `unmapped`.
    ///
    /// # Errors
    /// The refusal of the row.
    pub fn parse(
        &self,
        row: RawRow<'_>,
        book: &GroupBook,
        unmapped: &mut dyn FnMut(String),
    ) -> Result<ImportRow, RefusedRow> {
        let text = |field| self.get(row, field).and_then(short_text);
        let parsed = self.parse_row(row, book, unmapped);
        parsed.map_err(|Reason { text: reason, is_conflict }| RefusedRow {
            line: row.line,
            username: text(Field::Username),
            external_id: text(Field::ExternalId),
            reason,
            is_conflict,
        })
    }

    /// Returns the value of a field, unless it is missing or null.
    fn get<'a>(&self, row: RawRow<'a>, field: Field) -> Option<&'a Json> {
        self.options.fields.get(row.members, row.layout, field)
    }

    fn parse_row(
        &self,
        row: RawRow<'_>,
        book: &GroupBook,
        unmapped: &mut dyn FnMut(String),
    ) -> Result<ImportRow, Reason> {
        let get = |field| self.get(row, field);
        let external_id = get(Field::ExternalId).map(external_id).transpose()?;
        let wanted_name = text(get(Field::Username), "username")?.unwrap_or_default();
        let username = self.username(wanted_name.trim())?;
        let email = self.email(get(Field::Email))?;
        let password = text(get(Field::Password), "password")?.unwrap_or_default();
        let hash = ImportedHash::parse(&password);
        let reset = match &hash {
            ImportedHash::Usable(_) => None,
            ImportedHash::MustReset(reason) => Some(*reason),
        };
        let (scope, roles) = self.claims(row, book, unmapped)?;
        let language = text(get(Field::Language), "language")?;
        let created_at = text(get(Field::CreatedAt), "created_at")?;
        let created_at_ms = match created_at {
            Some(text) => time_ms(&text).ok_or_else(|| "created_at is no time".to_owned())?,
            None => self.now_ms,
        };
        let user = ImportedUser {
            id: Uuid::now_v7(),
            external_id,
            username_keys: username.keys(),
            username,
            email_keys: email.keys(),
            email,
            password_hash: hash.into_hash(),
            scope,
            roles,
            created_at_ms,
            disabled_at_ms: self.disabled_at(row)?,
            email_verified_at_ms: self.verified_at(row.members)?,
            language: language.as_deref().and_then(Language::from_tag),
        };
        let wanted_name = wanted_name.trim().to_owned();
        Ok(ImportRow { line: row.line, wanted_name, user, reset })
    }

    /// Returns the name of the user, or with [`OnConflict::Suffix`] a similar one.
    fn username(&self, text: &str) -> Result<Username, Reason> {
        let is_similar_enough = self.options.on_conflict == OnConflict::Suffix;
        let username = match Username::parse(text) {
            Ok(username) => username,
            Err(why) => nearest(text).filter(|_| is_similar_enough).ok_or_else(|| {
                conflict(format!("the username breaks a rule: {}", why.join(" ")))
            })?,
        };
        match self.names.check(&username) {
            // The writer adds a number to a name that no user may have.
            Err(why) if !self.options.allow_reserved && !is_similar_enough => {
                Err(conflict(format!("{why} --allow-reserved imports it all the same")))
            }
            _ => Ok(username),
        }
    }

    fn email(&self, value: Option<&Json>) -> Result<Email, Reason> {
        let address = text(value, "email")?.unwrap_or_default();
        let address = address.trim();
        if address.is_empty() {
            return Err(conflict("the user has no email address"));
        }
        Email::parse_new(address).map_err(|_| conflict("the email address is not valid"))
    }

    fn disabled_at(&self, row: RawRow<'_>) -> Result<Option<i64>, Reason> {
        let get = |field| self.get(row, field);
        if let Some(since) = text(get(Field::DisabledSince), "disabled_since")? {
            let since = time_ms(&since).ok_or_else(|| "disabled_since is no time".to_owned())?;
            return Ok(Some(since));
        }
        match get(Field::IsActive).map(boolean) {
            Some(None) => Err("is_active is neither true nor false".to_owned().into()),
            Some(Some(false)) => Ok(Some(self.now_ms)),
            Some(Some(true)) | None => Ok(None),
        }
    }

    fn verified_at(&self, members: &Members) -> Result<Option<i64>, Reason> {
        let name = match &self.options.verified {
            VerifiedEmails::None => return Ok(None),
            VerifiedEmails::All => return Ok(Some(self.now_ms)),
            VerifiedEmails::ByField(name) => name,
        };
        let value = members.get(name).filter(|value| **value != Json::Null);
        let Some(value) = value else { return Ok(None) };
        match (boolean(value), value) {
            (Some(is_verified), _) => Ok(is_verified.then_some(self.now_ms)),
            (None, Json::Text(text)) => match time_ms(text) {
                Some(at) => Ok(Some(at)),
                None => Err(format!("{name} is neither true nor false nor a time").into()),
            },
            _ => Err(format!("{name} is neither true nor false nor a time").into()),
        }
    }

    /// Returns the scopes and the roles of the user, separated by spaces.
    fn claims(
        &self,
        row: RawRow<'_>,
        book: &GroupBook,
        unmapped: &mut dyn FnMut(String),
    ) -> Result<(String, String), Reason> {
        let get = |field| self.get(row, field);
        let mut granted = GrantedNames::default();
        granted.scopes.extend(names(get(Field::Scopes), "scopes")?);
        granted.roles.extend(names(get(Field::Roles), "roles")?);
        if let Some(map) = &self.options.claims {
            let mut held = Vec::new();
            for group in elements(get(Field::Groups), "groups")? {
                held.extend(book.group(&group)?);
            }
            for permission in elements(get(Field::Permissions), "permissions")? {
                held.push(book.permission(&permission)?);
            }
            for held in held {
                match held {
                    Held::Group(name) if !map.add_group(&name, &mut granted) => {
                        unmapped(format!("group {}", clipped(&name)));
                    }
                    Held::Permission(name) if !map.add_permission(&name, &mut granted) => {
                        unmapped(format!("permission {}", clipped(&name)));
                    }
                    _ => {}
                }
            }
            let is_set = |name: &str| row.members.get(name).and_then(boolean) == Some(true);
            map.add_flags(is_set, &mut granted);
        }
        let join = |names: std::collections::BTreeSet<String>| {
            names.into_iter().collect::<Vec<_>>().join(" ")
        };
        let (scope, roles) = (join(granted.scopes), join(granted.roles));
        if scope.len() + roles.len() > MAX_CLAIMS_BYTES {
            return Err(
                format!("the scopes and roles are longer than {MAX_CLAIMS_BYTES} bytes").into()
            );
        }
        Ok((scope, roles))
    }
}

/// Returns a value as text. `None` if it is missing.
fn text(value: Option<&Json>, name: &str) -> Result<Option<String>, String> {
    match value {
        None => Ok(None),
        Some(Json::Text(text) | Json::Number(text)) => Ok(Some(text.clone())),
        Some(_) => Err(format!("{name} is no text")),
    }
}

/// Returns a text for a report.
fn short_text(value: &Json) -> Option<String> {
    match value {
        Json::Text(text) | Json::Number(text) => Some(clipped(text)),
        _ => None,
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

fn external_id(value: &Json) -> Result<String, String> {
    if let Json::Number(number) = value
        && number.parse::<u64>().is_err()
        && number.parse::<i64>().is_err()
    {
        // Such a number has lost digits, so different users may have the same one.
        return Err("external_id is a number, but no integer of 64 bits: write it as text".into());
    }
    let id = text(Some(value), "external_id")?.unwrap_or_default();
    let is_short = id.chars().count() <= MAX_TEXT;
    if id.is_empty() || !is_short || id.chars().any(char::is_control) {
        let rule =
            format!("external_id must be 1 to {MAX_TEXT} characters, none of them a control");
        return Err(rule);
    }
    Ok(id)
}

/// Returns a truth value, as the formats write it. `None` for other values.
fn boolean(value: &Json) -> Option<bool> {
    match value {
        Json::Bool(value) => Some(*value),
        Json::Number(text) | Json::Text(text) => match text.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "1" => Some(true),
            "false" | "f" | "no" | "0" => Some(false),
            _ => None,
        },
        _ => None,
    }
}

/// Returns the names of scopes or roles: an array, or text in which spaces separate them.
fn names(value: Option<&Json>, field: &str) -> Result<Vec<String>, String> {
    let names: Vec<String> = match value {
        None => Vec::new(),
        Some(Json::Text(text)) => text.split_whitespace().map(str::to_owned).collect(),
        Some(Json::Array(elements)) => {
            let name = |element: &Json| match element {
                Json::Text(name) => Ok(name.clone()),
                _ => Err(format!("{field} has an element that is no text")),
            };
            elements.iter().map(name).collect::<Result<_, _>>()?
        }
        Some(_) => return Err(format!("{field} is no list")),
    };
    match names.iter().find(|name| scope::parse_name(name).is_err()) {
        Some(name) => Err(format!("{field}: {:?} is not allowed as a name", clipped(name))),
        None => Ok(names),
    }
}

/// Returns the elements of an array, or of text in which semicolons separate them.
fn elements(value: Option<&Json>, field: &str) -> Result<Vec<Json>, String> {
    match value {
        None => Ok(Vec::new()),
        Some(Json::Array(elements)) => Ok(elements.clone()),
        Some(Json::Text(text)) => {
            let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
            Ok(parts.map(|part| Json::Text(part.to_owned())).collect())
        }
        Some(_) => Err(format!("{field} is no list")),
    }
}

/// Parses a time (RFC 3339). A time without an offset is in UTC.
fn time_ms(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_millisecond());
    }
    let time = text.parse::<DateTime>().ok()?;
    TimeZone::UTC.to_timestamp(time).ok().map(Timestamp::as_millisecond)
}
