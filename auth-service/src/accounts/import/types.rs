//! Options, reports and errors of an import.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
};

use super::{claims_map::ClaimsMap, field_map::FieldMap};
use crate::{credentials::ResetReason, store::StoreError};

/// Maximum number of names that a report of an import lists of one kind.
const MAX_LISTED: usize = 100;

/// Format of a file of users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    /// One JSON array, such as Django's `dumpdata` writes.
    JsonArray,
    /// A JSON object on each line.
    JsonLines,
    /// Comma-separated values with a header (RFC 4180).
    Csv,
}

/// What happens to a row whose name or address conflicts with a user or with the rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnConflict {
    /// The row is refused.
    #[default]
    Skip,
    /// The user gets a similar name. A taken address and the name of a former user are refused all
    /// the same.
    Suffix,
    /// The import ends.
    Fail,
}

/// Which addresses of a file are verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VerifiedEmails {
    #[default]
    None,
    All,
    /// Those of rows in which this field is true, or a time.
    ByField(String),
}

/// How a file is imported.
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// `None`: the first byte of the file tells.
    pub format: Option<FileFormat>,
    /// Model of the users in a file of Django, in lower case.
    pub model: String,
    pub fields: FieldMap,
    /// Scopes and roles for groups, permissions and flags. `None`: they are ignored.
    pub claims: Option<ClaimsMap>,
    pub verified: VerifiedEmails,
    pub on_conflict: OnConflict,
    /// Whether a name may be one that no visitor may register.
    pub allow_reserved: bool,
    /// Whether one refused row refuses the whole file.
    pub is_atomic: bool,
    /// Whether nothing is written.
    pub is_dry_run: bool,
}

/// A row that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// Line of the file at which the row begins, counted from 1.
    pub line: u64,
    pub username: Option<String>,
    pub external_id: Option<String>,
    pub reason: String,
    /// Whether the name or the address is the reason.
    pub is_conflict: bool,
}

/// What an import reports while it runs.
#[derive(Clone, Debug)]
pub enum ImportEvent {
    Refused(RefusedRow),
    /// The user of a row gets another name than the row has.
    Renamed {
        line: u64,
        from: String,
        to: String,
    },
    Progress(ImportProgress),
}

/// How far an import is.
#[derive(Clone, Copy, Debug, Default)]
pub struct ImportProgress {
    pub rows: u64,
    pub added: u64,
    pub refused: u64,
    /// Number of bytes of the file that are read.
    pub bytes: u64,
}

/// What an import did.
#[derive(Clone, Debug, Default)]
pub struct ImportTotals {
    pub rows: u64,
    pub added: u64,
    /// Rows whose users exist.
    pub already_there: u64,
    pub refused: u64,
    pub renamed: u64,
    pub disabled: u64,
    /// Number of added users who must set a new password, by reason.
    pub must_reset: BTreeMap<ResetReason, u64>,
    /// Number of objects of other models in a file of Django.
    pub other_models: BTreeMap<String, u64>,
    /// Groups and permissions of users for which the map has no entry.
    pub unmapped: BTreeSet<String>,
}

impl ImportTotals {
    /// Counts an object of another model than that of the users.
    pub fn count_other_model(&mut self, model: &str) {
        if self.other_models.len() < MAX_LISTED || self.other_models.contains_key(model) {
            *self.other_models.entry(model.to_owned()).or_default() += 1;
        }
    }

    /// Lists a group or permission for which the map has no entry.
    pub fn list_unmapped(&mut self, name: String) {
        if self.unmapped.len() < MAX_LISTED {
            self.unmapped.insert(name);
        }
    }
}

/// Error that ends an import. What was written before stays, unless the import is atomic.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("the file cannot be read: {0}")]
    Read(io::Error),
    #[error("the file ends in the middle of line {0}: it is not complete")]
    Cut(u64),
    #[error("line {line}: {reason}")]
    Malformed { line: u64, reason: String },
    #[error("line {line}: {reason}. --on-conflict fail ends the import here")]
    Conflict { line: u64, reason: String },
    #[error("no user is imported, because rows are refused (--atomic)")]
    AtomicRefusal,
    #[error("{0}")]
    NoUsers(String),
    #[error("a transaction deadlocked again and again: run the import again")]
    Deadlock,
    #[error(transparent)]
    Store(#[from] StoreError),
}
