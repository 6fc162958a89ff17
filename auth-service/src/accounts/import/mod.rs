//! An operator imports users from a file of another system.
//!
//! | module | content |
//! |---|---|
//! | `types` | options, reports and errors |
//! | `json_records`, `csv_records` | split a file into rows without parsing them |
//! | `json` | JSON of a row |
//! | `reader`, `counting_reader` | users of a file, row by row |
//! | `field_map`, `claims_map` | names of fields; scopes and roles for groups |
//! | `django` | objects of Django's `dumpdata` |
//! | `rows` | users of rows |
//! | `names` | usernames that take the place of others |
//! | `stored_users` | compares rows with stored users |
//! | `batch` | writes a batch of rows |
//! | `pipeline` | the threads of an import |

mod batch;
mod claims_map;
mod counting_reader;
mod csv_records;
mod django;
mod field_map;
mod json;
mod json_records;
mod names;
mod pipeline;
mod reader;
mod rows;
mod stored_users;
mod types;

use std::io::Read;

use self::pipeline::Import;
pub use self::{
    claims_map::ClaimsMap,
    field_map::FieldMap,
    types::{
        FileFormat, ImportError, ImportEvent, ImportOptions, ImportProgress, ImportTotals,
        OnConflict, RefusedRow, VerifiedEmails,
    },
};
use super::admin::UserAdmin;
use crate::{domain::name_rules::NameRules, store::StoreError};

impl UserAdmin {
    /// Imports users from a file. Passes each event to `report` as it happens.
    ///
    /// # Errors
    /// [`ImportError`]. The totals count what was done before it.
    pub async fn import(
        &self,
        source: impl Read + Send + 'static,
        options: ImportOptions,
        names: NameRules,
        report: impl FnMut(ImportEvent) + Send + 'static,
    ) -> (ImportTotals, Result<(), ImportError>) {
        let import = Import {
            store: self.store.clone(),
            clock: self.clock.clone(),
            initiator: self.initiator.clone(),
            names,
            options,
        };
        let run = tokio::task::spawn_blocking(move || import.run(source, report));
        let panicked = |_| (ImportTotals::default(), Err(StoreError::Unavailable.into()));
        run.await.unwrap_or_else(panicked)
    }
}
