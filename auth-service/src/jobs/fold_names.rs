//! Folds the names of users whom the previous version inserted, so that no name belongs to two
//! users in two spellings. One process at a time does so.

use crate::store::{Store, StoreError, users, with_cleanup_lock};

/// Number of users of one transaction.
const PAGE: i64 = 500;

/// Folds the names of all users that have no folded name yet. Stops early if another process does
/// so.
///
/// # Errors
/// If the database does not answer, or another user registers one of the names at this moment. The
/// next call continues.
pub async fn fold_names(store: &Store) -> Result<(), StoreError> {
    let mut folded = 0;
    loop {
        let fold_page = |connection: &mut _| {
            with_cleanup_lock(connection, |connection| users::fold_names(connection, PAGE))
        };
        let Some(page) = store.run(fold_page).await? else { return Ok(()) };
        folded += page;
        if page < PAGE as usize {
            if folded > 0 {
                log::info!("the names of {folded} users of the previous version are folded");
            }
            return Ok(());
        }
    }
}
