//! Writes a batch of rows in one transaction.

use std::collections::BTreeMap;

use diesel::{QueryResult, result::Error as DieselError};

use super::{
    names::with_suffix,
    rows::ImportRow,
    stored_users::{Relation, SeenRows, StoredUsers},
    types::{ImportEvent, OnConflict, RefusedRow},
};
use crate::{
    credentials::ResetReason,
    domain::{name_rules::NameRules, username::Username},
    store::{
        AnyConnection,
        import::{self, ImportedUser, KeptNames},
    },
};

/// Maximum number of names that are tried for one user.
const MAX_NAMES: u32 = 100;
/// Maximum number of times that rows are inserted which other transactions hold back.
const MAX_ROUNDS: u32 = 200;

/// Rules of a batch.
#[derive(Clone, Copy)]
pub struct BatchRules<'a> {
    pub on_conflict: OnConflict,
    pub allow_reserved: bool,
    pub names: &'a NameRules,
    pub now_ms: i64,
}

/// What a batch did.
#[derive(Debug, Default)]
pub struct BatchOutcome {
    pub added: u64,
    pub already_there: u64,
    pub refused: u64,
    pub renamed: u64,
    pub disabled: u64,
    pub must_reset: BTreeMap<ResetReason, u64>,
    /// Refused and renamed rows.
    pub events: Vec<ImportEvent>,
    /// The row that ends the import.
    pub fatal: Option<RefusedRow>,
}

/// Where a batch is written.
pub enum Target<'a> {
    Database,
    /// Nowhere. The rows are compared with those before them.
    DryRun(&'a mut SeenRows),
}

/// A row that is not written yet.
struct Pending<'a> {
    row: &'a ImportRow,
    /// The user with another name than the row has.
    renamed: Option<ImportedUser>,
    /// Number of the last name that was tried.
    number: u32,
}

impl Pending<'_> {
    fn user(&self) -> &ImportedUser {
        self.renamed.as_ref().unwrap_or(&self.row.user)
    }
}

/// The batch while it is written.
struct Writer<'a, 'b> {
    rules: BatchRules<'a>,
    outcome: &'b mut BatchOutcome,
}

/// Writes the rows in the transaction that has begun.
///
/// # Errors
/// `RollbackTransaction` if a row ends the import: [`BatchOutcome::fatal`].
pub fn write(
    connection: &mut AnyConnection,
    rows: &[ImportRow],
    rules: BatchRules<'_>,
    target: &mut Target<'_>,
    outcome: &mut BatchOutcome,
) -> QueryResult<()> {
    let mut writer = Writer { rules, outcome };
    let mut pending = writer.begin(connection, rows)?;
    for _ in 0..MAX_ROUNDS {
        if pending.is_empty() {
            return Ok(());
        }
        pending = writer.round(connection, pending, target)?;
    }
    let reason = "other transactions insert and delete the same names: run the import again";
    pending.iter().try_for_each(|row| writer.refuse(row, reason.into()))
}

impl<'a> Writer<'a, '_> {
    /// Returns the rows whose external ids no stored user has, with other names for those that no
    /// user may have. A user with the external id is the user of the row, who may have another name
    /// or address by now.
    fn begin<'r>(
        &mut self,
        connection: &mut AnyConnection,
        rows: &'r [ImportRow],
    ) -> QueryResult<Vec<Pending<'r>>> {
        let users: Vec<&ImportedUser> = rows.iter().map(|row| &row.user).collect();
        let known = import::find_known_ids(connection, &users)?;
        let is_known = |row: &ImportRow| {
            row.user.external_id.as_ref().is_some_and(|external_id| known.contains(external_id))
        };
        let mut pending = Vec::with_capacity(rows.len());
        for row in rows {
            if is_known(row) {
                self.outcome.already_there += 1;
                continue;
            }
            let row = Pending { row, renamed: None, number: 1 };
            if self.is_allowed(&row.row.user.username) {
                pending.push(row);
            } else {
                pending.extend(self.rename(row, "the username is one that no user may have")?);
            }
        }
        Ok(pending)
    }

    /// Writes the rows that no user is in the way of. Returns the rows to try again.
    fn round<'r>(
        &mut self,
        connection: &mut AnyConnection,
        pending: Vec<Pending<'r>>,
        target: &mut Target<'_>,
    ) -> QueryResult<Vec<Pending<'r>>> {
        let users: Vec<&ImportedUser> = pending.iter().map(Pending::user).collect();
        let kept = import::find_kept(connection, &users, self.rules.now_ms)?;
        let mut again = Vec::new();
        let mut free = Vec::new();
        for row in pending {
            match self.kept_reason(&row, &kept) {
                None => free.push(row),
                Some((reason, true)) => again.extend(self.rename(row, reason)?),
                Some((reason, false)) => self.refuse(&row, reason.into())?,
            }
        }
        let left = match target {
            Target::Database => self.insert(connection, free)?,
            Target::DryRun(_) => free,
        };
        if left.is_empty() {
            return Ok(again);
        }
        let users: Vec<&ImportedUser> = left.iter().map(Pending::user).collect();
        let stored = StoredUsers::new(import::find_conflicting(connection, &users)?);
        for row in left {
            again.extend(self.settle(row, &stored, target)?);
        }
        Ok(again)
    }

    /// Inserts the rows that no user is in the way of. Returns the others.
    fn insert<'r>(
        &mut self,
        connection: &mut AnyConnection,
        rows: Vec<Pending<'r>>,
    ) -> QueryResult<Vec<Pending<'r>>> {
        let users: Vec<&ImportedUser> = rows.iter().map(Pending::user).collect();
        let inserted = import::insert(connection, &users)?;
        let is_inserted = |row: &Pending| inserted.contains(&row.user().id.to_string());
        let (inserted, left): (Vec<_>, Vec<_>) = rows.into_iter().partition(is_inserted);
        inserted.iter().for_each(|row| self.count_added(row));
        Ok(left)
    }

    /// Decides about a row that is not inserted.
    fn settle<'r>(
        &mut self,
        row: Pending<'r>,
        stored: &StoredUsers,
        target: &mut Target<'_>,
    ) -> QueryResult<Option<Pending<'r>>> {
        let has_suffix = self.rules.on_conflict == OnConflict::Suffix;
        let base = has_suffix.then_some(row.row.user.username_keys.folded.as_str());
        let mut relation = stored.relation(row.user(), base);
        if let (Relation::Unrelated, Target::DryRun(seen)) = (&relation, &mut *target) {
            relation = seen.relation(row.user());
            if relation == Relation::Unrelated {
                seen.add(row.user());
                self.count_added(&row);
                return Ok(None);
            }
        }
        match relation {
            Relation::Same => {
                self.outcome.already_there += 1;
                Ok(None)
            }
            Relation::HasAddress => {
                self.refuse(&row, "another user has the email address".into()).map(|()| None)
            }
            Relation::HasName { other } => {
                let reason = match other == row.user().username.as_str() {
                    true => "another user has the username".to_owned(),
                    false => format!("another user has the username as {other}"),
                };
                self.rename(row, &reason)
            }
            // The user in the way is gone.
            Relation::Unrelated => Ok(Some(row)),
        }
    }

    /// Returns why a row cannot have its name or address, and whether another name helps.
    fn kept_reason(&self, row: &Pending<'_>, kept: &KeptNames) -> Option<(&'static str, bool)> {
        let ImportedUser { username, username_keys, email_keys, .. } = row.user();
        if kept.has_address(email_keys) {
            Some(("the email address is kept for a user who had it (EMAIL_UNDO_LIFETIME)", false))
        } else if kept.is_reserved(username) && !self.rules.allow_reserved {
            Some(("This username is reserved. --allow-reserved imports it all the same", true))
        } else if kept.has_name(username_keys) && !self.rules.allow_reserved {
            // With another name, a user would come back whom an operator deleted.
            Some((
                "the username is that of a former user, of whom the audit trail has events",
                false,
            ))
        } else {
            None
        }
    }

    /// Gives the user another name, or refuses the row.
    fn rename<'r>(
        &mut self,
        mut row: Pending<'r>,
        reason: &str,
    ) -> QueryResult<Option<Pending<'r>>> {
        let base = row.row.user.username.as_str();
        while self.rules.on_conflict == OnConflict::Suffix && row.number < MAX_NAMES {
            row.number += 1;
            let Some(name) = with_suffix(base, row.number) else { continue };
            if self.is_allowed(&name) {
                let user = ImportedUser {
                    username_keys: name.keys(),
                    username: name,
                    ..row.row.user.clone()
                };
                row.renamed = Some(user);
                return Ok(Some(row));
            }
        }
        self.refuse(&row, reason.to_owned()).map(|()| None)
    }

    fn is_allowed(&self, name: &Username) -> bool {
        self.rules.allow_reserved || self.rules.names.check(name).is_ok()
    }

    fn refuse(&mut self, row: &Pending<'_>, reason: String) -> QueryResult<()> {
        let refused = row.row.conflict(reason);
        if self.rules.on_conflict == OnConflict::Fail {
            self.outcome.fatal = Some(refused);
            return Err(DieselError::RollbackTransaction);
        }
        self.outcome.refused += 1;
        self.outcome.events.push(ImportEvent::Refused(refused));
        Ok(())
    }

    fn count_added(&mut self, row: &Pending<'_>) {
        self.outcome.added += 1;
        self.outcome.disabled += u64::from(row.user().disabled_at_ms.is_some());
        if let Some(reason) = row.row.reset {
            *self.outcome.must_reset.entry(reason).or_default() += 1;
        }
        let name = row.user().username.as_str();
        if name != row.row.wanted_name && !is_normalized(name, &row.row.wanted_name) {
            self.outcome.renamed += 1;
            self.outcome.events.push(ImportEvent::Renamed {
                line: row.row.line,
                from: row.row.wanted_name.clone(),
                to: name.to_owned(),
            });
        }
    }
}

/// Returns whether a name is only the normalized form of another text.
fn is_normalized(name: &str, text: &str) -> bool {
    Username::parse(text).is_ok_and(|parsed| parsed.as_str() == name)
}

impl BatchOutcome {
    /// Empties the outcome, for another attempt at the batch.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}
