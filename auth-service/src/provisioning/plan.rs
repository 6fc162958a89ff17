//! The changes that are to be made.

use uuid::Uuid;

use super::{difference::Difference, fault::Fault};
use crate::store::RecordedChange;

/// The changes that are to be made, and the faults that the database shows.
#[derive(Default)]
pub struct Plan {
    pub differences: Vec<Difference>,
    pub changes: Vec<RecordedChange>,
    pub faults: Vec<Fault>,
    /// Users who lose the role `admin`.
    pub former_admins: Vec<Uuid>,
    /// Whether an enabled user gets the role `admin`.
    pub has_new_admin: bool,
}

impl Plan {
    /// Adds a change.
    pub fn change(&mut self, difference: Difference, change: RecordedChange) {
        self.differences.push(difference);
        self.changes.push(change);
    }

    /// Adds a fault.
    pub fn fault(&mut self, line: usize, text: impl Into<String>) {
        self.faults.push(Fault { line, text: text.into() });
    }
}
