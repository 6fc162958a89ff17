//! The operations of one session, and the answers that the rules demand for them.

use super::{
    report::{Report, Violation},
    rule::{MARGIN, RECOVERED, Rule, SLOW, Verdict},
};
use crate::history::record::{History, Moment, Operation, Outcome, Request, TokenPair};

/// The operations of one session, ordered by the time of the request.
pub struct Session<'a> {
    history: &'a History,
    operations: Vec<&'a Operation>,
    /// Requests to end the session that may have had an effect.
    ends: Vec<&'a Operation>,
    /// Refreshes that may have had an effect.
    uses: Vec<Use<'a>>,
}

/// A use of a refresh token.
struct Use<'a> {
    operation: &'a Operation,
    is_proper: bool,
}

impl<'a> Session<'a> {
    pub fn new(history: &'a History, mut operations: Vec<&'a Operation>) -> Self {
        if let Some(login) = login_in(&operations) {
            let ends_session = |operation: &&Operation| {
                operation.request == Request::EndAll
                    && login.user == operation.user
                    && login.invoked <= history.settled(operation)
            };
            operations.extend(history.operations.iter().filter(ends_session));
        }
        operations.sort_by_key(|operation| operation.invoked);
        let is_end =
            |operation: &&&Operation| operation.is_end() && operation.outcome != Outcome::Unsent;
        let ends = operations.iter().filter(is_end).copied().collect();
        let is_use = |operation: &&&Operation| {
            operation.presented().is_some() && history.may_have_effect(operation)
        };
        let used: Vec<&Operation> = operations.iter().filter(is_use).copied().collect();
        let judge_use = |operation: &&'a Operation| Use {
            operation,
            is_proper: is_proper(history, operation, &used),
        };
        let uses = used.iter().map(judge_use).collect();
        Self { history, operations, ends, uses }
    }

    /// Adds the first violation to the report, if the session has one. Counts all verdicts.
    pub fn judge(&self, report: &mut Report) {
        let mut first = None;
        for operation in &self.operations {
            let broken = self.rule_broken_by(operation, report);
            first = first.or(broken.map(|rule| Violation::new(rule, operation)));
        }
        let with_story = |violation| Violation { story: self.story(), ..violation };
        report.violations.extend(first.map(with_story));
    }

    fn rule_broken_by(&self, operation: &Operation, report: &mut Report) -> Option<Rule> {
        if operation.request == Request::EndAll {
            // `History::check` has judged it: it does not belong to one session.
            return None;
        }
        if !self.history.is_expected(operation) {
            return Some(Rule::ExpectedAnswers);
        }
        match operation.presented() {
            Some(generation) => self.rule_broken_by_refresh(operation, generation, report),
            None => self.rule_broken_by_login_or_end(operation),
        }
    }

    fn rule_broken_by_login_or_end(&self, operation: &Operation) -> Option<Rule> {
        let is_right = |pair: &TokenPair| {
            pair.generation == 0 && pair.has_right_user && pair.access_session == pair.session
        };
        // A request to end an ended session may be refused.
        if operation.outcome == Outcome::Refused && self.is_alive_during(operation) {
            Some(Rule::ProperUseAccepted)
        } else if operation.tokens().is_some_and(|pair| !is_right(pair)) {
            Some(Rule::OneSuccessor)
        } else {
            None
        }
    }

    fn rule_broken_by_refresh(
        &self,
        operation: &Operation,
        generation: u64,
        report: &mut Report,
    ) -> Option<Rule> {
        if !matches!(operation.outcome, Outcome::Tokens(_) | Outcome::Refused) {
            return None;
        }
        let verdict = self.verdict(operation, generation);
        report.count_verdict(verdict);
        match (verdict, operation.tokens()) {
            (Verdict::Accept, None) => Some(Rule::ProperUseAccepted),
            (Verdict::Refuse(rule), Some(_)) => Some(rule),
            (_, Some(pair)) if !self.is_one_successor(operation, generation, pair) => {
                Some(Rule::OneSuccessor)
            }
            _ => None,
        }
    }

    /// Returns whether rule 2 allows this answer.
    fn is_one_successor(&self, operation: &Operation, generation: u64, pair: &TokenPair) -> bool {
        let is_of_session = operation.session.as_ref() == Some(&pair.session)
            && pair.access_session == pair.session
            && pair.has_right_user;
        let has_other_successor = self.answers_to(|other| other == generation).any(|sibling| {
            // Of two different answers, the later one breaks the rule.
            sibling.invoked < operation.invoked
                && sibling.tokens().is_some_and(|other| other.rotated_at_ms != pair.rotated_at_ms)
                && !self.history.is_lost_between(sibling, operation)
                && !self.history.is_lost_between(operation, sibling)
        });
        is_of_session && pair.generation == generation + 1 && !has_other_successor
    }

    /// Returns the answer that rules 3 to 7 demand for a refresh.
    fn verdict(&self, operation: &Operation, generation: u64) -> Verdict {
        let invoked = operation.invoked;
        let is_remembered = |earlier: &Operation| !self.history.is_lost_between(earlier, operation);
        if self.ends.iter().any(|end| self.has_ended(end) && self.history.learned(end) < invoked) {
            return Verdict::Refuse(Rule::EndedStaysEnded);
        }
        let mut refusals = self.operations.iter().filter(|earlier| {
            earlier.presented().is_some()
                && earlier.outcome == Outcome::Refused
                && earlier.completed < invoked
        });
        if refusals.any(|refusal| is_remembered(refusal) || self.is_in_database(refusal)) {
            return Verdict::Refuse(Rule::RefusedStaysRefused);
        }
        let mut siblings = self.answers_to(|other| other == generation);
        let has_ended = |sibling: &Operation| {
            let grace = self.history.grace + self.history.outages(sibling.completed, invoked);
            sibling.completed + grace + MARGIN < invoked
        };
        if siblings.any(|sibling| has_ended(sibling) && is_remembered(sibling)) {
            return Verdict::Refuse(Rule::GracePeriodEnds);
        }
        let mut later = self.answers_to(|other| other > generation);
        if later.any(|answer| answer.completed < invoked && is_remembered(answer)) {
            return Verdict::Refuse(Rule::SuccessorUsed);
        }
        let is_this = |used: &&Use| std::ptr::eq(used.operation, operation);
        let is_proper = self.uses.iter().find(is_this).is_some_and(|used| used.is_proper);
        match is_proper && self.is_alive_during(operation) {
            true => Verdict::Accept,
            false => Verdict::Either,
        }
    }

    /// Returns whether an end was acknowledged and applied to this session.
    fn has_ended(&self, end: &Operation) -> bool {
        let has_begun = |login: &Operation| login.completed <= end.invoked;
        end.outcome == Outcome::Done
            && (end.request != Request::EndAll || login_in(&self.operations).is_some_and(has_begun))
    }

    /// Returns whether the session certainly lives during an operation, if the operation itself
    /// does not end it.
    fn is_alive_during(&self, operation: &Operation) -> bool {
        let until = operation.completed;
        let is_other = |other: &Operation| !std::ptr::eq(other, operation);
        let is_ended = self.ends.iter().any(|end| is_other(end) && end.invoked <= until);
        let is_misused = self.uses.iter().any(|used| {
            !used.is_proper && used.operation.invoked <= until && is_other(used.operation)
        });
        !is_ended && !is_misused
    }

    /// Returns whether the database certainly contains the reason of a refusal: every improper use
    /// that may be the reason was answered, and no fault was active at the time.
    fn is_in_database(&self, refusal: &Operation) -> bool {
        let may_be_reason = |used: &&Use| {
            !used.is_proper
                && used.operation.tokens().is_none()
                && used.operation.invoked <= refusal.completed
        };
        self.uses.iter().filter(may_be_reason).all(|used| {
            let used = used.operation;
            let from = used.invoked.saturating_sub(RECOVERED);
            used.outcome == Outcome::Refused
                && used.duration() < SLOW
                && !self.history.is_disturbed(from, used.completed + MARGIN)
        })
    }

    /// Returns the accepted refreshes with a token of a matching generation.
    fn answers_to(&self, matches: impl Fn(u64) -> bool) -> impl Iterator<Item = &'a Operation> {
        let operations = self.operations.iter().copied();
        operations.filter(move |operation| {
            operation.presented().is_some_and(&matches) && operation.tokens().is_some()
        })
    }

    /// Returns the operations, and the disturbances at that time, one per line.
    fn story(&self) -> String {
        let begin = self.operations.first().map_or(Moment::ZERO, |operation| operation.invoked);
        let end = self.operations.iter().map(|operation| operation.completed).max();
        let end = end.unwrap_or_default();
        let operations = self.operations.iter();
        let operations = operations.map(|operation| (operation.invoked, operation.to_string()));
        let faults = self.history.disturbances.iter();
        let faults = faults.filter(|fault| fault.until >= begin && fault.from <= end);
        let faults = faults.map(|fault| (fault.from, fault.to_string()));
        let mut lines: Vec<_> = operations.chain(faults).collect();
        lines.sort();
        lines.into_iter().map(|(_, line)| format!("  {line}\n")).collect()
    }
}

fn login_in<'a>(operations: &[&'a Operation]) -> Option<&'a Operation> {
    operations.iter().find(|operation| operation.request == Request::Login).copied()
}

/// Returns whether a client may present the token: the token's successor is not used before the
/// operation has settled, and the grace period since the first use of the token is not over.
fn is_proper(history: &History, operation: &Operation, uses: &[&Operation]) -> bool {
    let generation = operation.presented();
    let settled = history.settled(operation);
    let earlier = || uses.iter().filter(|other| other.invoked <= settled);
    let is_successor_used = earlier().any(|other| other.presented() > generation);
    let mut siblings = earlier().filter(|other| other.presented() == generation);
    let first = siblings.next().map_or(operation.invoked, |first| first.invoked);
    let is_alone = siblings.next().is_none();
    !is_successor_used && (is_alone || settled + MARGIN <= first + history.grace)
}
