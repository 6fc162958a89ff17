//! Checks a history against the rules, which the documentation of the parent module states.

mod evidence;
mod report;
mod rule;
mod session;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use self::session::Session;
pub use self::{
    report::{Report, Violation},
    rule::{LEARNED, MARGIN, Rule, SETTLED},
};
use super::record::{History, Operation};

impl History {
    /// Checks the history against all rules.
    pub fn check(&self) -> Report {
        let mut report = Report::default();
        let mut sessions: HashMap<&str, Vec<&Operation>> = HashMap::new();
        for operation in &self.operations {
            report.count(operation);
            match &operation.session {
                Some(session) => sessions.entry(session).or_default().push(operation),
                None if self.is_expected(operation) => {}
                None => {
                    let violation = Violation::new(Rule::ExpectedAnswers, operation);
                    report.violations.push(violation);
                }
            }
        }
        for operations in sessions.into_values() {
            Session::new(self, operations).judge(&mut report);
        }
        report.sort();
        report
    }
}
