//! The result of a check.

use std::{collections::BTreeMap, fmt};

use super::rule::{Rule, Verdict};
use crate::history::record::{Operation, Outcome, Request};

/// The result of a check.
#[derive(Debug, Default)]
pub struct Report {
    /// Number of operations by kind and outcome.
    pub outcomes: BTreeMap<(&'static str, &'static str), usize>,
    /// Number of answered refreshes for which a rule demands an answer. Rule 1 applies to all.
    pub judged: BTreeMap<Rule, usize>,
    /// Number of answered refreshes.
    pub answered: usize,
    /// The first violation in each session.
    pub violations: Vec<Violation>,
}

/// A broken rule.
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// The operation whose outcome breaks the rule.
    pub(super) operation: Operation,
    /// All operations of the session, and all disturbances at that time.
    pub(super) story: String,
}

impl Report {
    /// Counts an operation.
    pub(super) fn count(&mut self, operation: &Operation) {
        let kinds = (request_kind(operation.request), outcome_kind(&operation.outcome));
        *self.outcomes.entry(kinds).or_default() += 1;
    }

    /// Counts the verdict on an answered refresh.
    pub(super) fn count_verdict(&mut self, verdict: Verdict) {
        self.answered += 1;
        let rule = match verdict {
            Verdict::Accept => Rule::ProperUseAccepted,
            Verdict::Refuse(rule) => rule,
            Verdict::Either => return,
        };
        *self.judged.entry(rule).or_default() += 1;
    }

    /// Sorts the violations by time.
    pub(super) fn sort(&mut self) {
        self.violations.sort_by_key(|violation| violation.operation.completed);
    }
}

impl Violation {
    pub(super) fn new(rule: Rule, operation: &Operation) -> Self {
        Self { rule, operation: operation.clone(), story: String::new() }
    }
}

fn request_kind(request: Request) -> &'static str {
    match request {
        Request::Login => "logins",
        Request::Refresh { .. } => "refreshes",
        Request::End(_) | Request::EndAll => "ends",
    }
}

fn outcome_kind(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Tokens(_) | Outcome::Done => "ok",
        Outcome::Refused => "refused",
        Outcome::Unavailable => "unavailable",
        Outcome::Unknown => "without an answer",
        Outcome::Unsent => "not sent",
        Outcome::Unexpected(_) => "unexpected",
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((request, outcome), count) in &self.outcomes {
            writeln!(f, "{count:6} {request} {outcome}")?;
        }
        writeln!(f, "{:6} refreshes answered, of which had to be", self.answered)?;
        for (rule, count) in &self.judged {
            let answer = if *rule == Rule::ProperUseAccepted { "accepted" } else { "refused" };
            writeln!(f, "{count:6} {answer}: {rule:?}")?;
        }
        for violation in &self.violations {
            writeln!(f, "\n{violation}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:?} is broken by", self.rule)?;
        writeln!(f, "  {}", self.operation)?;
        if let Some(session) = &self.operation.session {
            writeln!(f, "in session {session}:\n{}", self.story)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
