//! Folded names of users whom the previous version inserted.

use std::collections::HashSet;

use diesel::prelude::*;

use crate::{
    domain::{email::Email, fold::fold},
    store::{AnyConnection, schema::users, transaction::in_transaction},
};

/// Fills the folded names of up to `limit` users that have none, the oldest first. Returns the
/// number of users.
///
/// The previous version may have registered one name in two spellings. The second user keeps the
/// own spelling: `!` and the id take the place of the folded name.
///
/// # Errors
/// A unique violation if another transaction takes one of the names meanwhile.
pub fn fold_names(connection: &mut AnyConnection, limit: i64) -> QueryResult<usize> {
    in_transaction(connection, |connection| {
        let rows: Vec<(String, String, String)> = users::table
            .filter(users::folded_username.is_null().or(users::folded_email.is_null()))
            .select((users::id, users::username, users::email))
            .order(users::id)
            .limit(limit)
            .load(connection)?;
        let names = rows.iter().map(|(_, username, email)| (fold(username), folded_email(email)));
        let names: Vec<(String, String)> = names.collect();
        let mut taken_names = taken_names(connection, &names)?;
        let mut taken_emails = taken_emails(connection, &names)?;
        for ((id, ..), (username, email)) in rows.iter().zip(names) {
            let unless_taken = |taken: &mut HashSet<String>, name: String| {
                if taken.insert(name.clone()) { name } else { format!("!{id}") }
            };
            diesel::update(users::table.find(id))
                .set((
                    users::folded_username.eq(unless_taken(&mut taken_names, username)),
                    users::folded_email.eq(unless_taken(&mut taken_emails, email)),
                ))
                .execute(connection)?;
        }
        Ok(rows.len())
    })
}

/// Returns the folded address. The rules for addresses may have changed since it was stored.
fn folded_email(stored: &str) -> String {
    Email::parse(stored).map_or_else(|_| fold(stored), |email| email.keys().folded)
}

fn taken_names(
    connection: &mut AnyConnection,
    names: &[(String, String)],
) -> QueryResult<HashSet<String>> {
    let names = names.iter().map(|(username, _)| username);
    let taken: Vec<Option<String>> = users::table
        .filter(users::folded_username.eq_any(names))
        .select(users::folded_username)
        .load(connection)?;
    Ok(taken.into_iter().flatten().collect())
}

fn taken_emails(
    connection: &mut AnyConnection,
    names: &[(String, String)],
) -> QueryResult<HashSet<String>> {
    let names = names.iter().map(|(_, email)| email);
    let taken: Vec<Option<String>> = users::table
        .filter(users::folded_email.eq_any(names))
        .select(users::folded_email)
        .load(connection)?;
    Ok(taken.into_iter().flatten().collect())
}
